"""Changes to an encoder's ONNX graph.

`bert` finds the linear layers; `rewrite` replaces nodes and constants. `ordering`, `centring` and `products` put
quantised layers in place; `attention` and `embeddings` arrange the rest for ONNX Runtime's CPU kernels.
"""
