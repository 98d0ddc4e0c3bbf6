"""The runtime: reads a bundle and serves it, without torch."""
