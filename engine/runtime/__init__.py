"""Where the encoder runs: sessions of ONNX Runtime and TensorRT, and the choice among devices."""
