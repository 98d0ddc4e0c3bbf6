"""What peers' workers open. Run by each peer's own Python: standard library, NumPy and the peer's packages alone."""
