"""A small world of likes with two tastes, so that each baseline has something to find."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from emberline.export.baselines.material import BaselineData, PretrainedVectors
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split, split

ITEMS, USERS = 60, 80


@pytest.fixture(scope="session")
def tastes(make_dataset: Callable[..., Dataset]) -> Dataset:
    """Users of even age like even items, the others odd ones; the lower an item's number, the more it is met."""
    rng = np.random.default_rng(0)
    weight = 1 / np.arange(1, ITEMS + 1) ** 0.5
    rows = []
    for user in range(USERS):
        met = rng.choice(ITEMS, size=24, replace=False, p=weight / weight.sum())
        rows += [(user, int(item), 5 if item % 2 == user % 2 else 1, time) for time, item in enumerate(met)]
    return make_dataset(rows, USERS, ITEMS)


@pytest.fixture(scope="session")
def found(tastes: Dataset) -> Split:
    """Its split."""
    return split(tastes, 0)


@pytest.fixture(scope="session")
def material(tastes: Dataset, found: Split) -> BaselineData:
    """What may be fitted; vectors are one-hot by parity, with a little noise."""
    rng = np.random.default_rng(1)
    vectors = np.eye(2, dtype=np.float32)[np.arange(ITEMS) % 2]
    items = (vectors + 0.05 * rng.random((ITEMS, 2))).astype(np.float32)
    profiles = np.eye(2, dtype=np.float32)[np.arange(USERS) % 2]
    return BaselineData.of(tastes, found, PretrainedVectors(items, profiles))
