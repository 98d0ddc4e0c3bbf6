from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emberline.engine.records import Item
from emberline.export.data.records import Dataset, Interactions
from emberline.export.data.split import Split
from emberline.export.training.examples import Examples


def test_columns_are_the_warm_items(examples: Examples, parts: Split) -> None:
    """Held-out items have no column, so they are neither target nor negative nor history."""
    assert set(examples.items) == set(np.flatnonzero(parts.warm_items))
    assert not parts.cold_items[examples.items].any()


def test_likes_are_the_training_rows_in_the_order_of_time(examples: Examples, dataset: Dataset, parts: Split) -> None:
    """A user's likes are their positive training rows, oldest first."""
    rows = dataset.interactions.take(parts.train)
    for user, likes in zip(examples.users, examples.likes, strict=True):
        own = np.flatnonzero((rows.user == user) & rows.positive)
        own = own[np.argsort(rows.timestamp[own])]
        assert examples.items[likes].tolist() == rows.item[own].tolist()


def test_what_somebody_met_is_known(examples: Examples) -> None:
    """An item with a row is known, whether it is liked or not; one without a row is not."""
    disliked = replace(
        examples,
        likes=tuple(likes[:0] for likes in examples.likes),
        rated=tuple(rated[rated != 3] for rated in examples.rated),
    )
    assert disliked.known[[0, 1, 2, 3]].tolist() == [True, True, True, False]


def test_held_out_rows_and_items_change_nothing(dataset: Dataset, parts: Split, examples: Examples) -> None:
    """Other ratings and times in the held-out rows, and other attributes of held-out items, give the same examples."""
    interactions = dataset.interactions
    held_out = np.ones(len(interactions), dtype=np.bool_)
    held_out[parts.train] = False
    changed = replace(
        dataset,
        items=tuple(
            Item(item.id, {"title": "Leak", "genres": ["Leaked"]}) if cold else item
            for item, cold in zip(dataset.items, parts.cold_items, strict=True)
        ),
        interactions=Interactions(
            interactions.user,
            interactions.item,
            np.where(held_out, 1.0, interactions.rating).astype(np.float32),
            np.where(held_out, 0, interactions.timestamp),
            interactions.positive ^ held_out,
        ),
    )
    other = Examples.of(changed, parts)
    assert other.label_names == examples.label_names
    assert [likes.tolist() for likes in other.likes] == [likes.tolist() for likes in examples.likes]
    assert [rating.tolist() for rating in other.ratings] == [rating.tolist() for rating in examples.ratings]
    np.testing.assert_array_equal(other.labels, examples.labels)


def test_labels_of_warm_items(examples: Examples) -> None:
    """Each column's labels are those of its item."""
    for column, item in enumerate(examples.items):
        found = {name for name, there in zip(examples.label_names, examples.labels[column], strict=True) if there}
        assert found == {f"genres={genre}" for genre in examples.view.items[item].attributes["genres"]}  # type: ignore[union-attr]  # a list in this data set


def test_likes_can_count_by_inverse_propensity(examples: Examples) -> None:
    """At 0 all likes count 1, at 1 the likes of each item count the same together; the mean like counts 1."""
    popularity = examples.popularity
    liked = popularity > 0
    assert (examples.weights(0.0) == 1).all()
    together = (examples.weights(1.0) * popularity)[liked]
    np.testing.assert_allclose(together, together[0], rtol=1e-4)
    for propensity in (0.0, 0.5, 1.0):
        assert np.average(examples.weights(propensity), weights=popularity) == pytest.approx(1, rel=1e-2)
