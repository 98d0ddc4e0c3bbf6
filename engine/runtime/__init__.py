"""The runtime: sessions of ONNX Runtime and TensorRT that run the encoder, and the choice of the device."""
