"""A model repository for NVIDIA Triton, for those who run it already."""
