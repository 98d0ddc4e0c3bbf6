"""The accuracy gate: what each precision loses against PyTorch, measured on data that calibration has not seen.

A `HoldoutSet` holds the items and users to measure on; `predict` runs one form of the model on it; `compare` measures
the `Predictions` against those of the reference; `verdict` checks the measurements against the `Thresholds`.
"""
