"""Calibrating the match head on validation rows, which it has not seen.

Platt's scaling (1999) is a logistic regression on the logit; here it is one on powers of the logit, for heads that are
too sure on one side only, and of the item's bias, for heads that make too little or too much of popularity: validation
rows are later than those that the head was trained on, and of less popular items.
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
#: Quantiles within which curves are fitted.
RANGE: Final = (0.01, 0.99)


def calibrate(head: MatchHead, probability: Floats, bias: Floats, liked: NDArray[np.bool_]) -> bool:
    """Set the head's curves so that its probabilities fit what happened.

    Args:
        head: as it was trained; it is calibrated once.
        probability: (P,) of the validation rows.
        bias: (P,) of the rows' items.
        liked: (P,) what happened.

    Returns:
        Whether there were rows enough; if not, the head is left as it is.
    """
    rows = min(liked.sum(), (~liked).sum())
    if rows < FEWEST:
        return False
    clipped = np.clip(probability.astype(np.float64), 1e-7, 1 - 1e-7)
    logits = np.log(clipped / (1 - clipped))
    reach = np.quantile(np.stack([logits, bias]), RANGE, axis=1).T  # (2, 2)
    within, popular = np.clip(logits, *reach[0]), np.clip(bias, *reach[1])
    many = rows >= MANY
    for degree in range(DEGREE if many else 1, 0, -1):
        powers = np.arange(1, degree + 1)
        inputs = within[:, None] ** powers
        if many:
            inputs = np.concatenate([inputs, popular[:, None] ** np.array([1, 2])], axis=1)
        fit = LogisticRegression(C=np.inf, max_iter=1000).fit(inputs, liked)
        found = fit.coef_[0]
        slopes = np.linspace(reach[0, 0], reach[0, 1], 100)[:, None] ** (powers - 1) @ (powers * found[:degree])
        # The more probable must stay the more probable, also where the curve goes straight on.
        if slopes.min() > 0 and found[0] > 0:
            break
    with torch.no_grad():
        head.curve.zero_()
        head.curve[0] = float(fit.intercept_[0])
        head.curve[1 : degree + 1] = torch.from_numpy(found[:degree])
        head.popularity.copy_(torch.from_numpy(found[degree:]) if many else torch.zeros(2))
        head.reach.copy_(torch.from_numpy(reach))
    return True
