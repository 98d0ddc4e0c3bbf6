"""Precisions other than fp32, made from the fp32 graph alone: fp16, and int8 with static activation scales.

The way to int8: `recipe` says what is kept in how many bits; `calibration` watches the fp32 graph read real texts;
`smoothing` moves the spread of each layer's inputs into its weights until both sides suit 8 bits, and `ranges` says
what the steps of a grid are laid over; `rounding` rounds the weights so that their errors cancel on such inputs; `int8`
puts it all into a graph; `structure` proves that a graph is what it claims to be.
"""
