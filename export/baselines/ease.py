"""EASE: a linear model of items by items in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.

With likes X (U, I) = V·S·Aᵀ, the inverse of the regularised co-occurrences is P = (I − A·w·Aᵀ) / λ, w = S² / (S² + λ).
So one decomposition, of as many rows as there are users or items, whichever are fewer, serves every λ, and the (I, I)
weights need not be made to score by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_matrix

from emberline.export.evaluation.scenarios import Scenario

from .baseline import Scores, has_history, histories
from .content import Content
from .material import BaselineData, Mask

#: Directions whose S² is below this share of the largest are rounding errors.
_ROUNDING: Final = 1e-10


@dataclass(frozen=True, slots=True)
class Ease:
    """EASE's settings.

    Attributes:
        regularisation: λ; higher trusts pairs of items that few users share less.
    """

    reads_items: ClassVar[bool] = False
    reads_profile: ClassVar[bool] = False
    reads_history: ClassVar[bool] = True

    regularisation: float = 500.0

    def fit(self, material: BaselineData) -> EaseWeights:
        """Decompose the likes."""
        if Spectrum not in material.shared:
            material.shared[Spectrum] = Spectrum.of(material.likes)
        spectrum: Spectrum = material.shared[Spectrum]
        weight = spectrum.squares / (spectrum.squares + self.regularisation)
        own = 1 - (spectrum.axes.astype(np.float64) ** 2) @ weight
        return EaseWeights(spectrum.axes, weight.astype(np.float32), own.astype(np.float32))

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where likes are known and a candidate was there in training."""
        return has_history(scenario) and bool(warm_items[scenario.candidates].any())


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The right half of a singular value decomposition of likes.

    Attributes:
        axes: (I, r) A.
        squares: (r,) S².
    """

    axes: Scores
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, likes: csr_matrix) -> Spectrum:
        """Decompose (U, I) likes."""
        by_users = likes.shape[0] < likes.shape[1]
        gram = (likes @ likes.T if by_users else likes.T @ likes).toarray().astype(np.float64)
        squares, vectors = eigh(gram, overwrite_a=True, check_finite=False, driver="evd")
        there = squares > _ROUNDING * squares.max(initial=0.0)
        squares, vectors = squares[there], vectors[:, there]
        axes = likes.T @ vectors / np.sqrt(squares) if by_users else vectors
        axes[np.asarray(likes.sum(axis=0)).ravel() == 0] = 0.0  # exactly: nothing is known of them
        return cls(axes.astype(np.float32), squares)


@dataclass(frozen=True, slots=True)
class EaseWeights:
    """A fitted EASE; users come as their histories, known ones and new ones alike.

    Attributes:
        axes: (I, r) A.
        weight: (r,) w.
        own: (I,) the diagonal of P times λ.
    """

    axes: Scores
    weight: Scores
    own: Scores

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        del content
        return self.of(histories(scenario, len(self.axes)), scenario.candidates)

    def of(self, likes: csr_matrix, items: NDArray[np.int64]) -> Scores:
        """(Q, C) what (Q, I) likes say for C items; an item says nothing for itself."""
        liked = likes[:, items].toarray()
        predicted = liked - (likes @ self.axes * self.weight) @ self.axes[items].T
        return np.asarray(liked - predicted / self.own[items], dtype=np.float32)
