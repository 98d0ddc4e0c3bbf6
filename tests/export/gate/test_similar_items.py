from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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


def test_who_shares_most_labels_is_relevant(make_dataset: MakeDataset) -> None:
    """Items with more labels in common come before those with fewer, and no item is relevant to itself."""
    dataset = make_dataset([], users=1, items=30)
    labels = [{f"two {row % 2}", f"five {row % 5}"} for row in range(30)]
    items = tuple(
        replace(item, attributes={"genre": sorted(own)}) for item, own in zip(dataset.items, labels, strict=True)
    )
    dataset = replace(dataset, items=items)
    (asked,) = HoldoutSet.of(dataset, split(dataset, 0)).rankings
    for (item,), right in zip(asked.history, asked.relevant, strict=True):
        others = [other for other in range(30) if other != item]
        best = sorted(others, key=lambda other, own=labels[item]: (-len(labels[other] & own), other))[:10]
        assert right.tolist() == sorted(best)
