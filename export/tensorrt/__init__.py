"""Builds TensorRT engines from the ONNX graphs of a bundle, with or without a GPU."""
