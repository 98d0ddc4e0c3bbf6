"""The range of a layer's inputs that its 256 steps cover: all that calibration saw, or most of it in smaller steps."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats
from emberline.export.precision.recipe import Method

from .calibration import Statistics

#: The share of the inputs that ``percentile`` clips at either end.
_TAIL: Final = 1e-4
#: Bins of the histogram whose divergence is computed, a multiple of the steps.
_BINS: Final = 2048
_STEPS: Final = 256
#: The narrowest range that ``entropy`` tries, as a share of the largest input, and how many it tries up to all of it.
_NARROWEST: Final = 0.25
_TRIED: Final = 64
#: Inputs in the histogram: enough for its bins, and a tenth of a second per layer.
_COUNTED: Final = 1 << 17


def input_range(statistics: Statistics, divisors: Floats, method: Method) -> tuple[float, float]:
    """Choose the range of a layer's smoothed inputs.

    Args:
        statistics: the statistics of the inputs.
        divisors: (K,) what the inputs are divided by.
        method: ``minmax``: all that calibration saw. ``percentile``: all but the outermost values. ``entropy``: the
            range that keeps the distribution of the rounded inputs closest to that of the inputs, by Kullback–Leibler
            divergence (after Migacz, "8-bit inference with TensorRT", GTC 2017).

    Returns:
        The least and the greatest input that are not clipped.
    """
    low, high = float((statistics.low / divisors).min()), float((statistics.high / divisors).max())
    if method == "minmax":
        return low, high
    sample = (statistics.sample / divisors).ravel()
    if method == "percentile":
        outer = np.quantile(sample, (_TAIL, 1 - _TAIL))
        return float(outer[0]), float(outer[1])
    widest = _least_divergence(sample[:: max(1, len(sample) // _COUNTED)], low, high)
    return max(low, -widest), min(high, widest)


def _least_divergence(values: Floats, low: float, high: float) -> float:
    """The greatest magnitude that is not clipped, by the least divergence."""
    widest = max(-low, high)
    best = np.inf, widest
    for share in np.linspace(_NARROWEST, 1.0, _TRIED):
        bound = float(share) * widest
        divergence = _divergence(values, max(low, -bound), min(high, bound))
        if divergence < best[0]:
            best = divergence, bound
    return best[1]


def _divergence(values: Floats, low: float, high: float) -> float:
    """The divergence between values and the same values clipped to a range and rounded to its steps."""
    if not high > low:
        return float(np.inf)
    inside, _ = np.histogram(values, _BINS, (low, high))
    clipped = inside.astype(np.float64)
    clipped[0] += (values < low).sum()  # clipped values become the ends of the range
    clipped[-1] += (values > high).sum()
    steps = inside.reshape(_STEPS, -1).astype(np.float64)
    occupied = steps > 0
    # All bins of a step become one value: its mass is spread over those that are not empty.
    spread = occupied * (steps.sum(axis=1) / np.maximum(occupied.sum(axis=1), 1))[:, None]
    return _kullback_leibler(clipped / clipped.sum(), spread.ravel() / max(spread.sum(), 1.0))


def _kullback_leibler(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    known = expected > 0
    return float((expected[known] * np.log(expected[known] / np.maximum(actual[known], 1e-9))).sum())
