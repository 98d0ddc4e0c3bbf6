"""The accuracy gate: what each precision costs, measured against PyTorch on data that calibration has not seen.

An `Exam` asks the same of every form of the model; `examine` collects the `Answers`; `compare` measures one form's
answers against the reference's; `verdict` holds the measurements against the `Thresholds`.
"""
