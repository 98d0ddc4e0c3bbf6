"""Writes a model repository for NVIDIA Triton, for those who already run it."""
