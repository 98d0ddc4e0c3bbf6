"""From a bundle's ONNX graphs to TensorRT engines, on a machine with a GPU or without one."""
