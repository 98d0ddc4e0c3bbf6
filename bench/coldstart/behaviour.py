"""Behaviour prediction: will this user like this item? A model beside the means of items, groups and users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.metrics import log_loss, roc_auc_score

from emberline.export.data.records import Dataset, Interactions
from emberline.export.data.split import Split
from emberline.export.evaluation.calibration import expected_calibration_error
from emberline.export.evaluation.groups import Grouping, groupable

Shares = NDArray[np.float64]

#: How many rows' worth the mean above counts against an item's, a group's or a user's own.
_PRIORS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


#: The section of the measurements.
SECTION: Final = "behaviour"


def can_be_measured(dataset: Dataset, split: Split) -> bool:
    """Whether the test rows hold likes and others; where every row is a like they do not."""
    liked = dataset.interactions.positive[split.test]
    return bool(liked.any()) and not bool(liked.all())


def measure(probability: NDArray[np.floating], liked: NDArray[np.bool_]) -> Mapping[str, float]:
    """Measure predictions (N,) by what happened (N,): the area under the ROC curve, and the calibration error."""
    return {"auc": float(roc_auc_score(liked, probability)), "ece": expected_calibration_error(probability, liked)}


def baselines(dataset: Dataset, split: Split) -> Iterator[tuple[str, Mapping[str, float], str]]:
    """Measure means of likes as predictions, each drawn towards the mean above it.

    How much it is drawn, and by which attributes users are grouped, is chosen on the validation rows by log loss.

    Yields:
        Method, measures, and the settings that were chosen.
    """
    train, validation, test = (dataset.interactions.take(rows) for rows in (split.train, split.validation, split.test))
    fields = groupable(dataset.users, np.flatnonzero(split.warm_users))
    groups = [names for size in (1, 2) for names in combinations(fields, size)]
    lineup: dict[str, list[_Mean]] = {
        "mean of the item": [_ItemMean(prior) for prior in _PRIORS],
        "mean of the item in the user's group": [_GroupMean(prior, names) for prior in _PRIORS for names in groups],
        "means of item and user": [_ItemAndUserMean(prior) for prior in _PRIORS],
    }
    for method, tried in lineup.items():
        if not tried:
            continue
        chosen = tried[0]
        if validation.positive.any() and not validation.positive.all():
            losses = [log_loss(validation.positive, one.predict(dataset, split, train, validation)) for one in tried]
            chosen = tried[int(np.argmin(losses))]
        predicted = chosen.predict(dataset, split, train, test)
        yield method, measure(predicted, test.positive), repr(chosen).lstrip("_")


@dataclass(frozen=True, slots=True)
class _Mean:
    """A mean of likes; `prior` is how many rows' worth the mean above counts."""

    prior: float

    def predict(self, dataset: Dataset, split: Split, train: Interactions, asked: Interactions) -> Shares:
        """(rows,) the probability of a like."""
        raise NotImplementedError

    def drawn(self, likes: Shares, rows: Shares, towards: Shares | float) -> Shares:
        """Means of few rows, drawn towards others."""
        return (likes + self.prior * towards) / (rows + self.prior)

    def items(self, dataset: Dataset, train: Interactions) -> Shares:
        """(I,) of items, drawn towards the mean of all rows."""
        rows = np.bincount(train.item, minlength=len(dataset.items)).astype(np.float64)
        likes = np.bincount(train.item, train.positive, minlength=len(dataset.items)).astype(np.float64)
        return self.drawn(likes, rows, float(train.positive.mean()))


@dataclass(frozen=True, slots=True)
class _ItemMean(_Mean):
    def predict(self, dataset: Dataset, split: Split, train: Interactions, asked: Interactions) -> Shares:
        del split
        return self.items(dataset, train)[asked.item]


@dataclass(frozen=True, slots=True)
class _GroupMean(_Mean):
    fields: tuple[str, ...]

    def predict(self, dataset: Dataset, split: Split, train: Interactions, asked: Interactions) -> Shares:
        grouping = Grouping.of(dataset.users, np.flatnonzero(split.warm_users), self.fields)
        group = grouping.groups(dataset.users)  # (U,)
        cell = group[train.user] * len(dataset.items) + train.item
        # Of all items in all groups, nearly all are met by nobody: those that are, and what nobody met.
        there, place = np.unique(cell, return_inverse=True)
        rows = np.append(np.bincount(place, minlength=len(there)), 0).astype(np.float64)
        likes = np.append(np.bincount(place, train.positive, minlength=len(there)), 0).astype(np.float64)
        wanted = group[asked.user] * len(dataset.items) + asked.item
        at = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
        at = np.where(there[at] == wanted, at, len(there))
        return self.drawn(likes[at], rows[at], self.items(dataset, train)[asked.item])


@dataclass(frozen=True, slots=True)
class _ItemAndUserMean(_Mean):
    """The odds of the item times those of the user, over those of all."""

    def predict(self, dataset: Dataset, split: Split, train: Interactions, asked: Interactions) -> Shares:
        del split
        overall = float(train.positive.mean())
        rows = np.bincount(train.user, minlength=len(dataset.users)).astype(np.float64)
        likes = np.bincount(train.user, train.positive, minlength=len(rows)).astype(np.float64)
        users = self.drawn(likes, rows, overall)
        odds = logit(self.items(dataset, train)[asked.item]) + logit(users[asked.user]) - logit(overall)
        return np.asarray(expit(odds), dtype=np.float64)
