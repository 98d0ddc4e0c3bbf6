"""Popularity within the user's group, for users of whom nothing but a profile is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emberline.export.evaluation.groups import Grouping
from emberline.export.evaluation.scenarios import Scenario

from .baseline import Scores
from .content import Content
from .material import BaselineData, Mask


@dataclass(frozen=True, slots=True)
class GroupPopularity:
    """The share of the user's group that likes an item, drawn towards the share of all users.

    Attributes:
        fields: attributes of users whose values together make the group, e.g. age and gender.
        prior: how many users' worth everybody's opinion counts against the group's; above 0, since groups may be empty.
    """

    reads_items: ClassVar[bool] = False
    reads_profile: ClassVar[bool] = True
    reads_history: ClassVar[bool] = False

    fields: tuple[str, ...]
    prior: float = 20.0

    def fit(self, material: BaselineData) -> GroupShares:
        """Count likes by group."""
        warm = np.flatnonzero(material.warm_users)
        grouping = Grouping.of(material.users, warm, self.fields)
        groups = grouping.groups(material.users)  # (U,)
        likes = np.zeros((len(grouping.names), material.likes.shape[1]), dtype=np.float32)
        np.add.at(likes, groups[warm], material.likes[warm].toarray())
        members = np.bincount(groups[warm], minlength=len(grouping.names)).astype(np.float32)
        overall = material.popularity() / len(warm)
        shares = (likes + self.prior * overall) / (members + self.prior)[:, None]
        return GroupShares(shares.astype(np.float32), overall.astype(np.float32), groups)

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where users may be known by profile and a candidate was there in training."""
        return scenario.profile and bool(warm_items[scenario.candidates].any())


@dataclass(frozen=True, slots=True)
class GroupShares:
    """Who likes what, by group.

    Attributes:
        shares: (groups, I).
        overall: (I,), for users without a profile.
        groups: (U,) of each user.
    """

    shares: Scores
    overall: Scores
    groups: np.ndarray[tuple[int], np.dtype[np.int64]]

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        del content
        return self.shares[self.groups[scenario.users]][:, scenario.candidates]
