"""The range of a layer's inputs that its 256 steps are laid over: all that was seen, or most of it with finer steps."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats
from emberline.export.precision.recipe import Method

from .calibration import Statistics

#: Of the inputs on either side of zero, this share is cut off by ``percentile``.
_TAIL: Final = 1e-4
#: Bins of the histogram whose entropy is compared, a multiple of the steps.
_BINS: Final = 2048
_STEPS: Final = 256
#: The narrowest range that ``entropy`` tries, as a share of the widest input, and how many it tries up to all of it.
_NARROWEST: Final = 0.25
_TRIED: Final = 64
#: Inputs in the histogram: enough for its bins, and a tenth of a second a layer.
_COUNTED: Final = 1 << 17


def input_range(statistics: Statistics, divisors: Floats, method: Method) -> tuple[float, float]:
    """The range of inputs that are divided.

    Args:
        statistics: of the inputs.
        divisors: (K,).
        method: ``minmax``: all that calibration saw; ``percentile``: but for the outermost; ``entropy``: what keeps the
            distribution of the rounded inputs nearest to that of the inputs, by Kullback and Leibler's divergence
            (after Migacz, "8-bit inference with TensorRT", GTC 2017).

    Returns:
        The least and the greatest input that is not clipped.
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
    """The greatest magnitude that is not clipped."""
    widest = max(-low, high)
    best = np.inf, widest
    for share in np.linspace(_NARROWEST, 1.0, _TRIED):
        bound = float(share) * widest
        divergence = _divergence(values, max(low, -bound), min(high, bound))
        if divergence < best[0]:
            best = divergence, bound
    return best[1]


def _divergence(values: Floats, low: float, high: float) -> float:
    """Of values from what is left when they are clipped to a range and told apart by its steps alone."""
    if not high > low:
        return float(np.inf)
    inside, _ = np.histogram(values, _BINS, (low, high))
    wanted = inside.astype(np.float64)
    wanted[0] += (values < low).sum()  # what is clipped comes out as the range's ends
    wanted[-1] += (values > high).sum()
    steps = inside.reshape(_STEPS, -1).astype(np.float64)
    occupied = steps > 0
    # A step cannot tell its bins apart: its mass is spread over those that were not empty.
    spread = occupied * (steps.sum(axis=1) / np.maximum(occupied.sum(axis=1), 1))[:, None]
    return _kullback_leibler(wanted / wanted.sum(), spread.ravel() / max(spread.sum(), 1.0))


def _kullback_leibler(wanted: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    known = wanted > 0
    return float((wanted[known] * np.log(wanted[known] / np.maximum(found[known], 1e-9))).sum())
