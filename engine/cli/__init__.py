"""The command line `emberline`."""
