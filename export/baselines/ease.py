"""EASE: a linear model of items by items in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emberline.export.evaluation.scenarios import Scenario

from .baseline import Scores, has_history, histories
from .content import Content
from .material import BaselineData, Mask


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
        """Invert the items' co-occurrences."""
        return EaseWeights(ease_weights(material, self.regularisation))

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where likes are known and a candidate was there in training."""
        return has_history(scenario) and bool(warm_items[scenario.candidates].any())


def ease_weights(material: BaselineData, regularisation: float) -> Scores:
    """(I, I) what a like of the row's item says for the column's; zeros on the diagonal and for items without likes."""
    likes = material.likes
    liked = np.flatnonzero(np.asarray(likes.sum(axis=0)).ravel() > 0)
    gram = (likes[:, liked].T @ likes[:, liked]).toarray().astype(np.float64)
    inverse = np.linalg.inv(gram + regularisation * np.eye(len(liked)))
    inner = -inverse / np.diag(inverse)
    np.fill_diagonal(inner, 0.0)
    weights = np.zeros((likes.shape[1], likes.shape[1]), dtype=np.float32)
    weights[np.ix_(liked, liked)] = inner
    return weights


@dataclass(frozen=True, slots=True)
class EaseWeights:
    """A fitted EASE; users come as their histories, known ones and new ones alike."""

    weights: Scores

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        del content
        known = histories(scenario, len(self.weights))
        return np.asarray(known @ self.weights[:, scenario.candidates], dtype=np.float32)
