"""Recommending what is like what the user likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from scipy.sparse import csr_matrix

from emberline.export.evaluation.ranking import highest
from emberline.export.evaluation.scenarios import Scenario

from .baseline import Scores, has_history, histories
from .content import Content
from .material import BaselineData, Mask
from .placed import PlacedSpace
from .products import products
from .spaces import FittedSpace, Space, dense

#: Neighbours of an item that can be asked for.
MOST: Final = 400
_ROWS: Final = 1024


@dataclass(frozen=True, slots=True)
class MeanOfHistory:
    """How close an item is to the mean of those that the user likes.

    Attributes:
        space: where closeness is measured.
    """

    reads_items: ClassVar[bool] = True
    reads_profile: ClassVar[bool] = False
    reads_history: ClassVar[bool] = True

    space: Space

    def fit(self, material: BaselineData) -> FittedMean:
        """Fit the space."""
        return FittedMean(PlacedSpace.of(material, self.space))

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where likes are known."""
        del warm_items
        return has_history(scenario)


@dataclass(frozen=True, slots=True)
class KNearest:
    """The items that the user likes among the nearest training items, by how close they are.

    Attributes:
        space: where closeness is measured.
        count: how many neighbours an item has.
    """

    reads_items: ClassVar[bool] = True
    reads_profile: ClassVar[bool] = False
    reads_history: ClassVar[bool] = True

    space: Space
    count: int = 50

    def fit(self, material: BaselineData) -> FittedNeighbours:
        """Fit the space."""
        key = Nearest, self.space
        if key not in material.shared:
            material.shared[key] = Nearest(PlacedSpace.of(material, self.space), material.warm_items, {})
        return FittedNeighbours(material.shared[key], self.count)

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where likes are known."""
        del warm_items
        return has_history(scenario)


@dataclass(frozen=True, slots=True)
class FittedMean:
    """A fitted space.

    Attributes:
        layout: the space.
    """

    layout: FittedSpace

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        placed = self.layout.place(content)
        liked = histories(scenario, len(content.items)) @ placed.queries  # (Q, F)
        # The words of all that somebody likes are many: as a dense matrix they are multiplied several times faster.
        documents = placed.documents[scenario.candidates]
        parts = [documents @ dense(liked[start : start + _ROWS]).T for start in range(0, liked.shape[0], _ROWS)]
        return np.ascontiguousarray(np.concatenate(parts, axis=1).T, dtype=np.float32)


@dataclass(frozen=True)
class Nearest:
    """The nearest training items of all items, found once for all numbers of neighbours.

    Attributes:
        layout: where closeness is measured.
        warm_items: (I,) those of training.
        found: of the content that was asked for last; no part of what is kept.
    """

    layout: FittedSpace
    warm_items: Mask
    found: dict[str, tuple[Content, csr_matrix]]

    def of(self, content: Content) -> csr_matrix:
        """(I, I) closeness of each item to its `MOST` nearest training items but itself, those of a row descending."""
        known = self.found.get("")
        if known is None or known[0] is not content:
            known = self.found[""] = content, self._find(content)
        return known[1]

    def _find(self, content: Content) -> csr_matrix:
        placed = self.layout.place(content)
        warm = np.flatnonzero(self.warm_items)
        count, total = min(MOST, len(warm)), len(self.warm_items)
        columns, values = [], []
        for start in range(0, total, _ROWS):
            rows = np.arange(start, min(start + _ROWS, total))
            closeness = products(placed.documents[rows], placed.queries[warm])
            closeness[rows[:, None] == warm] = 0.0  # an item is no neighbour of its own
            best = highest(closeness, count)
            columns.append(warm[best])
            values.append(np.take_along_axis(closeness, best, axis=1))
        begins = np.arange(total + 1) * count
        return csr_matrix((np.concatenate(values).ravel(), np.concatenate(columns).ravel(), begins), (total, total))

    def __getstate__(self) -> dict[str, object]:
        return {"layout": self.layout, "warm_items": self.warm_items, "found": {}}


@dataclass(frozen=True, slots=True)
class FittedNeighbours:
    """Fitted neighbours.

    Attributes:
        nearest: of all items.
        count: with how many items of training an item is compared, the most like.
    """

    nearest: Nearest
    count: int

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        found = self.nearest.of(content)
        width = int(found.indptr[1]) if len(content.items) else 0
        count = min(self.count, width)
        rows = scenario.candidates[:, None] * width + np.arange(count)  # (C, count)
        begins = np.arange(len(rows) + 1) * count
        shape = (len(rows), len(content.items))
        closest = csr_matrix((found.data[rows].ravel(), found.indices[rows].ravel(), begins), shape)
        return dense(histories(scenario, len(content.items)) @ closest.T)
