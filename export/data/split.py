"""Splitting a data set so that cold start can be measured: items and users held out entirely, the rest by time.

Which rows go where (rows of cold users with cold items are in neither scenario):

                warm items                                cold items
    warm users  train │ validation │ test, by time        item_cold
    cold users  user_cold                                 both_cold

Cold items and users are drawn by seed, uniformly, from the ids in sorted order: the order of the rows in a file has
no say. The time cut is made within each user: the first 80 % of a warm user's rows train, the next 10 % validate, the
last 10 % test. A cut at one moment for all would be nearer to production, but in data whose users come for one visit
those seen after the cut have hardly any row before it: in MovieLens-100K, some 40 users would be left to be warm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emberline.engine.errors import ConfigError, DataError
from emberline.engine.records import Item

from .records import Dataset, Interactions, UserRecord

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fractions:
    """How much is held out.

    Attributes:
        items: of the items; enough that the cold pool has many likes, few enough that the rest still trains.
        users: of the users.
        validation: of each warm user's rows, before the last.
        test: of each warm user's rows, the last.
    """

    items: float = 0.2
    users: float = 0.2
    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        for name in ("items", "users"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"Fractions.{name} must be from 0 to below 1, not {getattr(self, name)}")
        if self.validation < 0 or self.test < 0 or self.validation + self.test >= 1:
            raise ConfigError(
                f"Fractions.validation and .test must leave rows to train on, not {self.validation} and {self.test}"
            )


@dataclass(frozen=True, slots=True)
class Split:
    """A split of a data set with I items, U users and N interactions.

    Each row of the data set is in at most one of the six arrays, and in exactly one unless the split is an inner one.

    Attributes:
        cold_items: (I,) held out: in no row of train, validation, test and user_cold.
        warm_items: (I,) the others; in an inner split, those of the outer split's warm items that it does not hold out.
        cold_users: (U,) held out: in no row of train, validation, test and item_cold.
        warm_users: (U,) the others, likewise.
        train: row indexes, ascending, as all of these; warm users with warm items, each user's earliest.
        validation: warm users with warm items, after train.
        test: warm users with warm items, the latest.
        item_cold: warm users with cold items.
        user_cold: cold users with warm items.
        both_cold: cold users with cold items.
        fractions: how much was held out.
        seed: of the draw.
    """

    cold_items: Mask
    warm_items: Mask
    cold_users: Mask
    warm_users: Mask
    train: Rows
    validation: Rows
    test: Rows
    item_cold: Rows
    user_cold: Rows
    both_cold: Rows
    fractions: Fractions
    seed: int

    def inner(self, dataset: Dataset) -> Split:
        """The same recipe within the training rows alone, to tune by: it sees no row that this split holds out.

        Its cold items and users are drawn from this split's warm ones; this split's cold ones are neither in it.

        Raises:
            DataError: too little is left to split again.
        """
        return _split(dataset, self.train, self.warm_items, self.warm_users, self.fractions, self.seed)


def split(dataset: Dataset, seed: int, fractions: Fractions | None = None) -> Split:
    """Split a data set.

    Args:
        dataset: what to split.
        seed: the same seed gives the same split.
        fractions: how much to hold out; None: the defaults.

    Raises:
        DataError: there are interactions, and none is left to train on.
    """
    rows = np.arange(len(dataset.interactions), dtype=np.int64)
    items = np.ones(len(dataset.items), dtype=np.bool_)
    users = np.ones(len(dataset.users), dtype=np.bool_)
    return _split(dataset, rows, items, users, fractions or Fractions(), seed)


def train_view(dataset: Dataset, split: Split) -> Dataset:
    """What training may know: the training rows, and nothing but the ids of items and users that are not warm.

    Indexes stay those of the whole data set. Whatever is computed from the view alone (a teacher, a vocabulary, a
    popularity, the set of labels) cannot leak what the split holds out.
    """
    return replace(
        dataset,
        items=tuple(
            item if warm else Item(item.id) for item, warm in zip(dataset.items, split.warm_items, strict=True)
        ),
        users=tuple(
            user if warm else UserRecord(user.id, {})
            for user, warm in zip(dataset.users, split.warm_users, strict=True)
        ),
        interactions=dataset.interactions.take(split.train),
    )


def _split(dataset: Dataset, rows: Rows, items: Mask, users: Mask, fractions: Fractions, seed: int) -> Split:
    # Two streams: more items in the data do not draw other users.
    items_rng, users_rng = np.random.default_rng(seed).spawn(2)
    cold_items = _draw([item.id for item in dataset.items], items, fractions.items, items_rng)
    cold_users = _draw([user.id for user in dataset.users], users, fractions.users, users_rng)
    item_is_cold = cold_items[dataset.interactions.item[rows]]  # (rows,)
    user_is_cold = cold_users[dataset.interactions.user[rows]]
    train, validation, test = _by_time(dataset.interactions, rows[~item_is_cold & ~user_is_cold], fractions)
    if not len(train) and len(dataset.interactions):
        raise DataError(
            f"{dataset.description.name}: no row is left to train on after the split; it needs more data. To train on "
            "the items' texts alone, leave [interaction] out of the description"
        )
    return Split(
        cold_items=cold_items,
        warm_items=items & ~cold_items,
        cold_users=cold_users,
        warm_users=users & ~cold_users,
        train=train,
        validation=validation,
        test=test,
        item_cold=rows[item_is_cold & ~user_is_cold],
        user_cold=rows[~item_is_cold & user_is_cold],
        both_cold=rows[item_is_cold & user_is_cold],
        fractions=fractions,
        seed=seed,
    )


def _draw(ids: Sequence[str], among: Mask, fraction: float, rng: np.random.Generator) -> Mask:
    pool = np.asarray(sorted(np.flatnonzero(among).tolist(), key=lambda index: ids[index]), dtype=np.int64)
    drawn = np.zeros(len(ids), dtype=np.bool_)
    drawn[rng.permutation(pool)[: round(fraction * len(pool))]] = True
    return drawn


def _by_time(interactions: Interactions, rows: Rows, fractions: Fractions) -> tuple[Rows, Rows, Rows]:
    user, time = interactions.user[rows], interactions.timestamp[rows]
    order = np.lexsort((rows, time, user))  # equal times stay in the file's order
    _, first, counts = np.unique(user[order], return_index=True, return_counts=True)
    place = np.arange(len(rows)) - np.repeat(first, counts)  # (rows,) 0 for a user's earliest
    of = np.repeat(counts, counts)
    test = place >= of - np.round(fractions.test * of)
    validation = ~test & (place >= of - np.round(fractions.test * of) - np.round(fractions.validation * of))
    ordered = rows[order]
    return np.sort(ordered[~test & ~validation]), np.sort(ordered[validation]), np.sort(ordered[test])
