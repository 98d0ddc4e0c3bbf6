"""Recommending what is like what the user likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emberline.export.evaluation.scenarios import Scenario

from .baseline import Scores, has_history, histories
from .content import Content
from .material import BaselineData, Mask
from .spaces import FittedSpace, Space, dense


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

    def fit(self, material: BaselineData) -> FittedNeighbours:
        """Fit the space."""
        return FittedNeighbours(self.space.fit(material.content, material.warm_items), None, material.warm_items)

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where likes are known."""
        del warm_items
        return has_history(scenario)


@dataclass(frozen=True, slots=True)
class Neighbours:
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
        return FittedNeighbours(self.space.fit(material.content, material.warm_items), self.count, material.warm_items)

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where likes are known."""
        del warm_items
        return has_history(scenario)


@dataclass(frozen=True, slots=True)
class FittedNeighbours:
    """A fitted space.

    Attributes:
        layout: the space.
        neighbours: how many items of training an item is compared with, the most like; None: with all.
        warm_items: (I,) those of training.
    """

    layout: FittedSpace
    neighbours: int | None
    warm_items: Mask

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        placed = self.layout.place(content)
        documents = placed.documents[scenario.candidates]  # (C, F)
        known = histories(scenario, len(content.items))  # (Q, I)
        if self.neighbours is None:
            return dense((known @ placed.queries) @ documents.T)
        warm = np.flatnonzero(self.warm_items)
        closeness = dense(documents @ placed.queries[warm].T)  # (C, warm items)
        closeness[scenario.candidates[:, None] == warm] = 0.0  # an item is no neighbour of its own
        count = min(self.neighbours, len(warm))
        least = -np.partition(-closeness, count - 1, axis=1)[:, count - 1 : count]
        return dense(known[:, warm] @ np.where(closeness >= least, closeness, 0.0).T)
