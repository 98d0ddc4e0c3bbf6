"""Precisions other than fp32, made from the fp32 graph alone: fp16, and int8 with static activation scales.

`linears` and `recipe` say what is quantised and to how many bits. `analysis` turns real texts and a layer's weight into
scales and rounded weights; `graph` puts them into an ONNX graph. `quantiser` applies recipes to the layers of one
encoder, `int8` and `fp16` write graphs, `structure` proves that a graph is what its name says, and `encoders` writes
every precision of a bundle.
"""
