"""What a batch costs: a model of the encoder's time, fitted to measurements on the machine that it is for.

``t(n, L) = call + n · (token · L + square · L²)`` for n texts padded to L tokens: a call's fixed cost, a token's matrix
products, and attention, which grows with the square. No coefficient is negative, so a longer or larger batch never
costs less. One core of an x86 CPU keeps to it within a few percent from 1×8 to 16×32 tokens, in int8 and in fp32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

#: What a call's fixed cost may be beside its texts' for a batch to count as large enough.
_CALL_SHARE: Final = 1 / 40


@dataclass(frozen=True, slots=True)
class Sample:
    """A measurement: `seconds` for a batch of `texts`, each of `length` tokens."""

    texts: int
    length: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CostModel:
    """The coefficients, each at least 0.

    Attributes:
        call: seconds a call.
        token: seconds a token.
        square: seconds a text, over its length squared.
    """

    call: float
    token: float
    square: float

    def text(self, length: int) -> float:
        """Seconds that a text of a batch takes which is padded to a length."""
        return length * (self.token + self.square * length)

    def batch(self, texts: int, length: int) -> float:
        """Seconds that a batch takes, of texts padded to a length."""
        return self.call + texts * self.text(length)

    def ample(self, length: int) -> int:
        """Tokens of a batch of texts of a length, above which more gain next to nothing and delay others."""
        each = self.text(length) / length
        return max(length, math.ceil(self.call / each / _CALL_SHARE))


def fit(samples: Sequence[Sample]) -> CostModel:
    """Fit the model to measurements, by least squares of relative errors under coefficients that are not negative.

    Args:
        samples: at least one, of positive times. Short batches weigh as much as long ones.
    """
    features = np.array([(1.0, one.texts * one.length, one.texts * one.length**2) for one in samples])  # (S, 3)
    relative = features / np.array([[one.seconds] for one in samples])
    best, least = np.zeros(3), math.inf
    # The best under the bounds is the unbounded best of some of the coefficients, the others being 0; there are seven.
    for count in (3, 2, 1):
        for kept in combinations(range(3), count):
            found = np.linalg.lstsq(relative[:, kept], np.ones(len(samples)), rcond=None)[0]
            if (found >= 0).all():
                coefficients = np.zeros(3)
                coefficients[list(kept)] = found
                error = float(np.square(relative @ coefficients - 1.0).sum())
                if error < least:
                    best, least = coefficients, error
    return CostModel(*best.tolist())
