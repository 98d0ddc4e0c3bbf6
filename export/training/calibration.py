"""Calibrating the match head by Platt's scaling (1999), fitted on validation rows, which it has not seen."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from emberline.export.model import MatchHead

from .trained import Floats

#: Fewer rows of a kind than this say less than the uncalibrated head.
FEWEST = 50


def calibrate(head: MatchHead, probability: Floats, liked: NDArray[np.bool_]) -> bool:
    """Set the head's scale and shift so that its probabilities fit what happened.

    Args:
        head: with the scale and shift that gave `probability`.
        probability: (P,) of the validation rows.
        liked: (P,) what happened.

    Returns:
        Whether there were rows enough; if not, the head is left as it is.
    """
    if min(liked.sum(), (~liked).sum()) < FEWEST:
        return False
    clipped = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    logits = np.log(clipped / (1 - clipped))
    fit = LogisticRegression(C=np.inf).fit(logits.reshape(-1, 1), liked)
    scale, shift = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    with torch.no_grad():
        head.shift.mul_(scale).add_(shift)
        head.scale.mul_(scale)
    return True
