"""The search for the cheapest int8 encoder that meets an objective.

`texts` sets some of the data aside. `trial_runner` writes a candidate as ONNX Runtime will run it and measures it on
these texts. `costs` predicts the cost of a candidate before it is written. `sensitivity` decides what to try next, from
cheap to accurate. `trial_log` keeps every trial, so that an interrupted search continues, and `search` runs all of it.
"""
