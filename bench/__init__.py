"""Latency, load and recall, measured against the PyTorch reference."""
