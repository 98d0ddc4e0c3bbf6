"""The cost model: predicts the encoder's time for a batch, from measurements on the same machine.

``t(n, L) = call + n · (token · L + square · L²)`` for n texts padded to L tokens: the fixed cost of a call, the matrix
products of each token, and attention, which grows with the square of the length. No coefficient is negative, so a
longer or larger batch never costs less. The model fits one core of an x86 CPU within a few percent from 1×8 to 16×32
tokens, in int8 and in fp32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

#: A batch is large enough when the fixed cost of its call is at most this share of the cost of its texts.
_CALL_SHARE: Final = 1 / 40
#: Least seconds of a token: a few measurements, or a coarse clock, can make the fit find none.
_LEAST: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Sample:
    """A measurement: `seconds` for a batch of `texts` texts of `length` tokens each."""

    texts: int
    length: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CostModel:
    """The coefficients, each 0 or more.

    Attributes:
        call: seconds per call.
        token: seconds per token.
        square: seconds per text and squared length.
    """

    call: float
    token: float
    square: float

    def text(self, length: int) -> float:
        """Seconds for a text that is padded to a length, as part of a batch."""
        return length * (self.token + self.square * length)

    def batch(self, texts: int, length: int) -> float:
        """Seconds for a batch of texts that are padded to a length."""
        return self.call + texts * self.text(length)

    def ample(self, length: int) -> int:
        """Tokens of a batch of texts of a length, above which more tokens gain next to nothing and delay others."""
        each = max(self.text(length) / length, _LEAST)
        return max(length, math.ceil(self.call / each / _CALL_SHARE))


def fit(samples: Sequence[Sample]) -> CostModel:
    """Fit the model to measurements, by non-negative least squares of relative errors.

    Args:
        samples: one or more measurements with positive times. Short batches weigh as much as long ones.
    """
    features = np.array(
        [(1.0, sample.texts * sample.length, sample.texts * sample.length**2) for sample in samples]
    )  # (S, 3)
    relative = features / np.array([[sample.seconds] for sample in samples])
    best, least = np.zeros(3), math.inf
    # The bounded optimum is the unbounded one of some subset of the coefficients, the others being 0; there are seven.
    for count in (3, 2, 1):
        for subset in combinations(range(3), count):
            solution = np.linalg.lstsq(relative[:, subset], np.ones(len(samples)), rcond=None)[0]
            if (solution >= 0).all():
                coefficients = np.zeros(3)
                coefficients[list(subset)] = solution
                error = float(np.square(relative @ coefficients - 1.0).sum())
                if error < least:
                    best, least = coefficients, error
    return CostModel(*best.tolist())
