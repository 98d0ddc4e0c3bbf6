from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emberline.export.data.records import Dataset
from emberline.export.data.split import split
from emberline.export.gate.holdout import HoldoutSet

MakeDataset = Callable[..., Dataset]


def test_without_interactions_items_ask_for_what_is_like_them(make_dataset: MakeDataset) -> None:
    """Each held-out item is a query among all others, and items with the same labels are relevant."""
    dataset = make_dataset([], users=2, items=40)
    parts = split(dataset, 0)
    holdout = HoldoutSet.of(dataset, parts)
    (asked,) = holdout.rankings
    assert asked.name == "alike"
    assert [found.tolist() for found in asked.history] == [[item] for item in np.flatnonzero(parts.cold_items)]
    assert [found.tolist() for found in asked.known] == [found.tolist() for found in asked.history]
    assert len(asked.candidates) == 40
    for history, right in zip(asked.history, asked.relevant, strict=True):
        assert len(right) == 10
        assert history[0] not in right
        assert (right % 2 == history[0] % 2).all()


def test_who_asks_is_nobody(make_dataset: MakeDataset) -> None:
    """The user of the queries has no profile, occurs nowhere else and is not held out."""
    dataset = make_dataset([], users=2, items=10)
    holdout = HoldoutSet.of(dataset, split(dataset, 0))
    assert set(holdout.rankings[0].users.tolist()) == {2}
    assert holdout.dataset.user_texts()[2] == ""
    assert holdout.split.warm_users[2]
    assert not holdout.split.cold_users[2]
