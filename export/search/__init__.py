"""The search for the cheapest int8 encoder that holds a target.

`texts` sets some of the data aside; `laboratory` makes a candidate as ONNX Runtime will run it and measures it on them;
`costs` predicts what a candidate costs before it is made; `walk` decides what to try next, from cheap to fine;
`journal` keeps every trial, so that a search that broke off goes on; `search` is all of it.
"""
