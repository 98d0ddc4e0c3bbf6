"""Recommending what is like what the user says: search, where a user is a question or a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emberline.export.evaluation.scenarios import Scenario

from .baseline import Scores
from .content import Content
from .material import BaselineData, Mask
from .spaces import FittedSpace, Matrix, Space, dense


@dataclass(frozen=True, slots=True)
class ProfileText:
    """How close an item is to the text of the user's profile.

    Attributes:
        space: where closeness is measured.
    """

    reads_items: ClassVar[bool] = True
    reads_profile: ClassVar[bool] = True
    reads_history: ClassVar[bool] = False

    space: Space

    def fit(self, material: BaselineData) -> FittedProfileText:
        """Fit the space to the items, and place the profiles in it."""
        layout = self.space.fit(material.content, material.warm_items)
        return FittedProfileText(layout, layout.place(material.profiles).queries)

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where users may be known by their profile."""
        del warm_items
        return scenario.profile


@dataclass(frozen=True, slots=True)
class FittedProfileText:
    """A fitted space.

    Attributes:
        layout: the space.
        profiles: (U, F) the users in it.
    """

    layout: FittedSpace
    profiles: Matrix

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        documents = self.layout.place(content).documents[scenario.candidates]
        return np.asarray(dense(self.profiles[scenario.users] @ documents.T), dtype=np.float32)
