"""Predictions of likes by means, which need nothing but counting."""

from __future__ import annotations

import numpy as np
import pytest

from emberline.export.baselines.like_means import ItemAndUserMean, ItemMean, LikeMean
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split


def test_an_item_s_mean_is_drawn_towards_that_of_all(tastes: Dataset, found: Split) -> None:
    """With a prior of 4, four rows of average opinion are added to those of the item."""
    train = tastes.interactions.take(found.train)
    test = tastes.interactions.take(found.test)
    predicted = ItemMean(4.0).predict(tastes, found, train, test)
    overall = train.positive.mean()
    for row, item in enumerate(test.item[:20].tolist()):
        rows = train.positive[train.item == item]
        assert predicted[row] == pytest.approx((rows.sum() + 4 * overall) / (len(rows) + 4))


def test_the_odds_of_item_and_user_are_multiplied(tastes: Dataset, found: Split) -> None:
    """A user who likes as much as all do leaves the item's mean as it is, and one who likes more raises it."""
    train = tastes.interactions.take(found.train)
    test = tastes.interactions.take(found.test)
    item = ItemMean(4.0).predict(tastes, found, train, test)
    both = ItemAndUserMean(4.0).predict(tastes, found, train, test)
    overall = train.positive.mean()
    for row, user in enumerate(test.user[:20].tolist()):
        own = train.positive[train.user == user]
        mean = (own.sum() + 4 * overall) / (len(own) + 4)
        odds = item[row] / (1 - item[row]) * mean / (1 - mean) / (overall / (1 - overall))
        assert both[row] == pytest.approx(odds / (1 + odds))


def test_a_mean_that_predicts_nothing_cannot_be_made() -> None:
    """Every mean says how it predicts."""
    with pytest.raises(TypeError, match="abstract"):
        LikeMean(1.0)  # type: ignore[abstract]
    assert np.isfinite(ItemMean(1.0).prior)
