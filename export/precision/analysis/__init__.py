"""What quantisation does to numbers: the inputs of layers, their smoothing, grids and rounded weights.

`texts` chooses what to calibrate on, and `calibration` runs the fp32 graph to watch what linear layers read;
`smoothing` moves the spread of inputs into the weights; `ranges` chooses what the steps of a `grid` cover; `rounding`
rounds weights so that their errors cancel; `layer` combines them into quantised layers.
"""
