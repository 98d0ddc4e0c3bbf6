"""Recommenders that the model has to beat, from known libraries where there are any."""
