"""Changes to an encoder's ONNX graph.

`view` reads a graph and `rewrite` changes its nodes and constants; `bert` finds the linear layers. `ordering`,
`centring` and `products` put quantised layers in place; `attention` and `embeddings` arrange the rest for ONNX
Runtime's CPU kernels.
"""
