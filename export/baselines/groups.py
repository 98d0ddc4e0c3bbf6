"""Popularity within the user's group, for users of whom nothing but a profile is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from emberline.export.evaluation.groups import Grouping, places_of
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
        # Of all combinations of values, most have nobody: the last row is theirs.
        there, row = np.unique(groups[warm], return_inverse=True)
        ones = np.ones(len(warm), dtype=np.float32)
        belongs = csr_matrix((ones, (row, np.arange(len(warm)))), shape=(len(there) + 1, len(warm)))
        likes = (belongs @ material.likes[warm]).toarray()
        members = np.asarray(belongs.sum(axis=1))
        overall = material.popularity() / len(warm)
        shares = (likes + self.prior * overall) / (members + self.prior)
        return GroupShares(shares.astype(np.float32), places_of(groups, there))

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where users may be known by profile and a candidate was there in training."""
        return scenario.profile and bool(warm_items[scenario.candidates].any())


@dataclass(frozen=True, slots=True)
class GroupShares:
    """Who likes what, by group.

    Attributes:
        shares: (groups, I); the last of them is that of everyone.
        groups: (U,) of each user.
    """

    shares: Scores
    groups: NDArray[np.int64]

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        del content
        return self.shares[:, scenario.candidates][self.groups[scenario.users]]
