"""Behaviour prediction: will this user like this item? A model beside the means of items, groups and users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from emberline.export.baselines.like_means import ItemAndUserMean, ItemMean, ItemMeanInGroup, LikeMean
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.evaluation.calibration import expected_calibration_error
from emberline.export.evaluation.groups import groupable

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
    lineup: dict[str, list[LikeMean]] = {
        "mean of the item": [ItemMean(prior) for prior in _PRIORS],
        "mean of the item in the user's group": [
            ItemMeanInGroup(prior, names) for prior in _PRIORS for names in groups
        ],
        "means of item and user": [ItemAndUserMean(prior) for prior in _PRIORS],
    }
    for method, tried in lineup.items():
        if not tried:
            continue
        chosen = tried[0]
        if validation.positive.any() and not validation.positive.all():
            losses = [log_loss(validation.positive, one.predict(dataset, split, train, validation)) for one in tried]
            chosen = tried[int(np.argmin(losses))]
        predicted = chosen.predict(dataset, split, train, test)
        yield method, measure(predicted, test.positive), repr(chosen)
