"""A data set in memory: items, users and interactions, joined by index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Item, Value
from emberline.engine.text.rendering import labels, render

from .description import Description


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user as the data knows them.

    Attributes:
        id: unique in the data set.
        attributes: rendered to the profile text.
    """

    id: str
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Interactions:
    """Who rated what, how and when; N rows in the order of the file.

    Attributes:
        user: (N,) index into the data set's users.
        item: (N,) index into its items.
        rating: (N,) NaN where the data has none.
        timestamp: (N,) seconds, with fractions; 0 where the data has none.
        positive: (N,) whether the description counts the row as a like.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    rating: NDArray[np.float32]
    timestamp: NDArray[np.float64]
    positive: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.user)

    @classmethod
    def none(cls) -> Interactions:
        """Nobody has met anything yet."""
        return cls(
            np.empty(0, dtype=np.int32),
            np.empty(0, dtype=np.int32),
            np.empty(0, dtype=np.float32),
            np.empty(0, dtype=np.float64),
            np.empty(0, dtype=np.bool_),
        )

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Interactions:
        """The given rows, by index or mask."""
        return Interactions(
            self.user[rows], self.item[rows], self.rating[rows], self.timestamp[rows], self.positive[rows]
        )


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set.

    Attributes:
        description: what it was read by.
        items: I items; an interaction's `item` indexes them.
        users: U users; an interaction's `user` indexes them.
        interactions: N rows.
    """

    description: Description
    items: tuple[Item, ...]
    users: tuple[UserRecord, ...]
    interactions: Interactions

    def item_texts(self) -> list[str]:
        """The text of every item, as the encoder reads it."""
        return [item.text or render(item.attributes, self.description.item.fields) for item in self.items]

    def user_texts(self) -> list[str]:
        """The profile text of every user; empty where the description opts out of profiles."""
        return [render(user.attributes, self.description.user.fields) for user in self.users]

    def item_labels(self) -> list[list[str]]:
        """The labels of every item, as ``field=value``."""
        return [labels(item.attributes, self.description.item.labels) for item in self.items]


def label_matrix(found: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.float32]:
    """Labels as a matrix of zeros and ones.

    Args:
        found: the labels of each of N things; those that `names` lacks are left out.
        names: A labels, one per column.

    Returns:
        (N, A).
    """
    column = {name: index for index, name in enumerate(names)}
    matrix = np.zeros((len(found), len(names)), dtype=np.float32)
    for row, present in enumerate(found):
        for name in present:
            if name in column:
                matrix[row, column[name]] = 1.0
    return matrix
