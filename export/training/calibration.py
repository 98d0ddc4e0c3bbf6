"""Calibrating the match head on validation rows, which it has not seen.

Platt's scaling (1999) is a logistic regression on the logit; here it is one on the logit's powers, for heads that are
too sure on one side only.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from emberline.export.model import MatchHead

from .trained import Floats

#: Fewer rows of a kind than this say less than the uncalibrated head.
FEWEST: Final = 50
#: Powers of the logit, at most, and the rows of a kind from which on there are more than one.
DEGREE: Final = 3
MANY: Final = 500


def calibrate(head: MatchHead, probability: Floats, liked: NDArray[np.bool_]) -> bool:
    """Set the head's curve so that its probabilities fit what happened.

    Args:
        head: as it was trained; it is calibrated once.
        probability: (P,) of the validation rows.
        liked: (P,) what happened.

    Returns:
        Whether there were rows enough; if not, the head is left as it is.
    """
    rows = min(liked.sum(), (~liked).sum())
    if rows < FEWEST:
        return False
    clipped = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    logits = np.log(clipped / (1 - clipped))
    low, high = np.quantile(logits, (0.01, 0.99))
    within = np.linspace(low, high, 100)
    for degree in range(DEGREE if rows >= MANY else 1, 0, -1):
        powers = np.arange(1, degree + 1)
        inputs = np.clip(logits, low, high)[:, None] ** powers
        fit = LogisticRegression(C=np.inf, max_iter=1000).fit(inputs, liked)
        slopes = within[:, None] ** (powers - 1) @ (powers * fit.coef_[0])
        # The more probable must stay the more probable, also where the curve goes straight on.
        if degree == 1 or (slopes.min() > 0 and fit.coef_[0, 0] > 0):
            break
    curve = np.zeros(DEGREE + 1, dtype=np.float32)
    curve[0], curve[1 : degree + 1] = fit.intercept_[0], fit.coef_[0]
    with torch.no_grad():
        head.curve.copy_(torch.from_numpy(curve))
        head.reach.copy_(torch.tensor([low, high]))
    return True
