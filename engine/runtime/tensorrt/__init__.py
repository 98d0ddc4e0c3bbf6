"""TensorRT: what an engine file is, and what runs it. Nothing here is imported unless a GPU is asked for."""
