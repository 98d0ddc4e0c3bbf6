"""The wire contract `emberline.v1` and the code generated from it; `make stubs` generates it again."""
