"""Likes by means: of the item, of the item in the user's group, and of item and user, drawn towards the mean above."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from emberline.export.data.records import Dataset, Interactions
from emberline.export.data.split import Split
from emberline.export.evaluation.groups import Grouping, places_of

Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LikeMean(ABC):
    """A mean of likes.

    Attributes:
        prior: how many rows' worth the mean above counts.
    """

    prior: float

    @abstractmethod
    def predict(self, dataset: Dataset, split: Split, train: Interactions, asked: Interactions) -> Shares:
        """(rows,) the probabilities that the asked rows are likes, by the training rows of a split."""

    def drawn(self, likes: Shares, rows: Shares, towards: Shares | float) -> Shares:
        """Means of few rows, drawn towards others."""
        return (likes + self.prior * towards) / (rows + self.prior)

    def items(self, dataset: Dataset, train: Interactions) -> Shares:
        """(I,) of items, drawn towards the mean of all rows."""
        rows, likes = _counts(train.item, train.positive, len(dataset.items))
        return self.drawn(likes, rows, float(train.positive.mean()))


@dataclass(frozen=True, slots=True)
class ItemMean(LikeMean):
    """The mean of the item."""

    def predict(self, dataset: Dataset, split: Split, train: Interactions, asked: Interactions) -> Shares:
        """The same for everyone."""
        del split
        return self.items(dataset, train)[asked.item]


@dataclass(frozen=True, slots=True)
class ItemMeanInGroup(LikeMean):
    """The mean of the item in the user's group.

    Attributes:
        fields: the users' attributes that make the groups.
    """

    fields: tuple[str, ...]

    def predict(self, dataset: Dataset, split: Split, train: Interactions, asked: Interactions) -> Shares:
        """Drawn towards the item's mean."""
        grouping = Grouping.of(dataset.users, np.flatnonzero(split.warm_users), self.fields)
        group = grouping.groups(dataset.users)  # (U,)
        cell = group[train.user] * len(dataset.items) + train.item
        # Of all items in all groups, nearly all are met by nobody: those that are, and what nobody met.
        there, place = np.unique(cell, return_inverse=True)
        rows, likes = (np.append(one, 0.0) for one in _counts(place, train.positive, len(there)))
        wanted = group[asked.user] * len(dataset.items) + asked.item
        at = places_of(wanted, there)
        return self.drawn(likes[at], rows[at], self.items(dataset, train)[asked.item])


@dataclass(frozen=True, slots=True)
class ItemAndUserMean(LikeMean):
    """The odds of the item times those of the user, over those of all."""

    def predict(self, dataset: Dataset, split: Split, train: Interactions, asked: Interactions) -> Shares:
        """Both drawn towards the mean of all rows."""
        del split
        overall = float(train.positive.mean())
        rows, likes = _counts(train.user, train.positive, len(dataset.users))
        users = self.drawn(likes, rows, overall)
        odds = logit(self.items(dataset, train)[asked.item]) + logit(users[asked.user]) - logit(overall)
        return np.asarray(expit(odds), dtype=np.float64)


def _counts(place: NDArray[np.integer], positive: NDArray[np.bool_], count: int) -> tuple[Shares, Shares]:
    """Rows, and likes among them, by place."""
    rows = np.bincount(place, minlength=count).astype(np.float64)
    return rows, np.bincount(place, positive, minlength=count).astype(np.float64)
