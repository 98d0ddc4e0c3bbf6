"""What quantisation does to numbers, without a graph: the inputs of layers, their smoothing, grids and rounded weights.

`texts` chooses what to calibrate on and `calibration` watches what linear layers read; `smoothing` moves the spread of
inputs into the weights; `ranges` chooses what the steps of a `grid` cover; `rounding` rounds weights so that their
errors cancel; `layer` combines them into quantised layers.
"""
