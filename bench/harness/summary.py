"""Repetitions in one line: medians, spread, ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def percentile(latencies: Sequence[float | None], share: float) -> float:
    """A percentile that was really observed: the smallest latency that at least `share` per cent do not exceed.

    Args:
        latencies: at least one; None stands for a request without an answer, which counts as infinitely late.
        share: per cent, 0 to 100.
    """
    values = [float("inf") if latency is None else latency for latency in latencies]
    return float(np.percentile(values, share, method="inverted_cdf"))


@dataclass(frozen=True, slots=True)
class Summary:
    """What repetitions of one measurement gave.

    Attributes:
        repetitions: each repetition's value, in their order.
        median: over the repetitions.
        minimum: over the repetitions.
        maximum: over the repetitions.
    """

    repetitions: tuple[float, ...]
    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Summarise at least one value."""
        return cls(tuple(map(float, values)), float(np.median(values)), float(np.min(values)), float(np.max(values)))


def improvement(values: Sequence[float], reference: Sequence[float], *, higher_is_better: bool) -> Summary:
    """How many times better than the reference, within each repetition.

    Variants of one repetition ran right after each other, so what slowed the machine slowed both, and the ratio keeps
    less of it than either value. 2.0 is twice the throughput or half the latency.

    A value or reference of zero, which is none, gives NaN.

    Args:
        values: one per repetition.
        reference: the reference's, one per repetition.
        higher_is_better: true for throughputs, false for latencies.
    """
    above, below = (values, reference) if higher_is_better else (reference, values)
    return Summary.of([a / b if a and b else math.nan for a, b in zip(above, below, strict=True)])
