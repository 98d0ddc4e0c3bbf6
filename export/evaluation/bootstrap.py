"""How sure a comparison of two models is: paired bootstrap intervals over queries (Efron and Tibshirani, 1993)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emberline.engine.errors import InvalidInput

#: Resampled queries held in memory at a time.
CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the interval that holds it with the given confidence."""

    estimate: float
    low: float
    high: float
    level: float


def paired_interval(
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    statistic: Literal["ratio", "difference"],
    *,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Compare the means of two models over the same queries: ours / theirs, or ours − theirs.

    Each sample draws queries with replacement and takes both models' values of each: what makes a query easy or hard
    for both does not widen the interval. Percentiles of the samples bound it.

    Args:
        ours: (Q,) a metric's value for each query.
        theirs: (Q,) the other model's, in the same order.
        statistic: which comparison.
        samples: 2000 leave the bounds uncertain by about a thirtieth of the interval's width.
        level: of confidence.
        seed: the same seed gives the same interval.

    Raises:
        InvalidInput: the two differ in length, are empty, or the ratio's denominator is not positive.
    """
    if ours.shape != theirs.shape or ours.ndim != 1 or not len(ours):
        raise InvalidInput("theirs", f"has the shape {theirs.shape} and ours {ours.shape}; give one value a query")
    if statistic == "ratio" and theirs.mean() <= 0:
        raise InvalidInput("theirs", f"has the mean {theirs.mean():g}, by which nothing can be divided")
    rng = np.random.default_rng(seed)
    count = len(ours)
    step = max(1, CHUNK // count)
    drawn = []
    for start in range(0, samples, step):
        rows = rng.integers(0, count, size=(min(step, samples - start), count))
        drawn.append(_compare(ours[rows].mean(axis=1), theirs[rows].mean(axis=1), statistic))
    # Without interpolation: an unbounded ratio among the samples is a bound like any other.
    bounds = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(np.concatenate(drawn), bounds, method="inverted_cdf")
    estimate = _compare(ours.mean(keepdims=True), theirs.mean(keepdims=True), statistic)[0]
    return Interval(float(estimate), float(low), float(high), level)


def _compare(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], statistic: Literal["ratio", "difference"]
) -> NDArray[np.float64]:
    if statistic == "difference":
        return ours - theirs
    # A sample in which they score nothing says that the ratio has no bound above.
    return np.divide(ours, theirs, out=np.full_like(ours, np.inf), where=theirs > 0)
