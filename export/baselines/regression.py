"""Ridge regression in closed form: one product of features for all penalties, one factorisation for all targets.

Solved by rows or by features, whichever are fewer (Saunders, Gammerman and Vovk, "Ridge Regression Learning Algorithm
in Dual Variables", ICML 1998).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from .products import products
from .spaces import Matrix, dense

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinearMap:
    """A fitted regression.

    Attributes:
        weights: (F, D).
        offset: (D,).
    """

    weights: Floats
    offset: Floats

    def of(self, features: Matrix) -> Floats:
        """(n, D) predictions from (n, F) features."""
        return np.asarray(features @ self.weights + self.offset, dtype=np.float32)


@dataclass(slots=True)
class Regression:
    """A ridge regression with an unpenalised offset, to be solved for several penalties and targets.

    Attributes:
        features: (n, F), dense or sparse.
    """

    features: Matrix
    _mean: NDArray[np.float64] = field(init=False, repr=False)
    _gram: Floats = field(init=False, repr=False)
    _factor: tuple[float, tuple[NDArray[np.float64], bool]] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self._mean = np.asarray(self.features.mean(axis=0), dtype=np.float64).ravel()
        count = self.features.shape[0]
        if self._by_rows:
            gram = products(self.features, self.features)
            middle = gram.mean(axis=0, dtype=np.float64)
            gram -= middle.astype(np.float32)
            gram -= (middle - middle.mean()).astype(np.float32)[:, None]
        elif isinstance(self.features, np.ndarray):
            centred = self.features - self._mean.astype(np.float32)
            gram = centred.T @ centred
        else:
            gram = dense(self.features.T @ self.features)
            gram -= (count * np.outer(self._mean, self._mean)).astype(np.float32)
        self._gram = gram

    @property
    def _by_rows(self) -> bool:
        return bool(self.features.shape[0] < self.features.shape[1])

    def fit(self, target: Floats, penalty: float) -> LinearMap:
        """Solve for (n, D) targets; the last penalty's factorisation is kept for further targets."""
        if self._factor is None or self._factor[0] != penalty:
            self._factor = None  # before the next is made: two of them are large
            shifted = self._gram.astype(np.float64)
            shifted.flat[:: len(shifted) + 1] += penalty
            self._factor = penalty, cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
        middle = target.mean(axis=0, dtype=np.float64)
        centred = target - middle
        if self._by_rows:
            weights = self.features.T @ cho_solve(self._factor[1], centred, check_finite=False)
        else:
            weights = cho_solve(self._factor[1], self.features.T @ centred, check_finite=False)
        offset = middle - self._mean @ weights
        return LinearMap(np.asarray(weights, dtype=np.float32), np.asarray(offset, dtype=np.float32))
