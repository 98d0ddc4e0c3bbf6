"""Whether a predicted probability means what it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emberline.engine.errors import InvalidInput


def expected_calibration_error(probability: NDArray[np.floating], outcome: NDArray[np.bool_], bins: int = 15) -> float:
    """The mean gap between predicted probability and observed frequency, over bins of equal mass.

    Predictions are sorted and cut into bins with the same number of rows: bins of equal width would leave most of
    them empty where predictions crowd together, and hide their gap (Nixon et al., "Measuring Calibration in Deep
    Learning", 2019).

    Args:
        probability: (N,) predictions from 0 to 1.
        outcome: (N,) what happened.
        bins: how many; at most N are used.

    Returns:
        From 0, calibrated, to 1.

    Raises:
        InvalidInput: the two differ in length, are empty, or a prediction is not within 0 and 1.
    """
    if probability.shape != outcome.shape or probability.ndim != 1 or not len(probability):
        raise InvalidInput(
            "outcome",
            f"has the shape {outcome.shape} and probability {probability.shape}; give one for each prediction",
        )
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InvalidInput("probability", "has values that are not within 0 and 1; apply a sigmoid first")
    order = np.argsort(probability, kind="stable")
    gaps = probability[order].astype(np.float64) - outcome[order]
    parts = np.array_split(gaps, min(bins, len(gaps)))
    return float(sum(abs(part.sum()) for part in parts) / len(gaps))
