"""`emberline bench latency`: Emberline beside PyTorch, in MLPerf's four scenarios."""
