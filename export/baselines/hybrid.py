"""LightFM: an item's factors are the sum of those of its attributes and one of its own; a user's likewise.

Kula, "Metadata Embeddings for User and Item Cold-start Recommendations", CBRecSys 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack

from emberline.engine.errors import MissingExtra
from emberline.export.evaluation.groups import Grouping, groupable
from emberline.export.evaluation.scenarios import Scenario

from .baseline import Scores, histories
from .content import Content
from .material import BaselineData, Mask
from .spaces import AttributeSpace, FittedSpace


@dataclass(frozen=True, slots=True)
class LightFm:
    """The settings of LightFM.

    Attributes:
        factors: of users and items.
        epochs: over the likes.
        penalty: L2 on the factors.
        seed: of factors and samples.
    """

    reads_items: ClassVar[bool] = True
    reads_profile: ClassVar[bool] = True
    reads_history: ClassVar[bool] = False

    factors: int = 32
    epochs: int = 20
    penalty: float = 1e-5
    seed: int = 0

    def fit(self, material: BaselineData) -> Hybrid:
        """Fit to the likes of training.

        Raises:
            MissingExtra: LightFM is not installed.
        """
        features = Features.of(material)
        everyone = np.ones(len(material.users), dtype=np.bool_)
        model = self.train(material.likes, features.users(material.likes, everyone), features.items(material.content))
        return Hybrid(self, features, material.likes, material.warm_users, model)

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Always: even of a user without profile and history it knows the items' biases."""
        del scenario, warm_items
        return True

    def train(self, likes: csr_matrix, users: csr_matrix, items: csr_matrix) -> Any:
        """Train LightFM, which has no types, on (U, I) likes with the users' and the items' features.

        Raises:
            MissingExtra: LightFM is not installed.
        """
        try:
            from lightfm import LightFM
        except ImportError as error:
            raise MissingExtra("the baseline LightFM", "lightfm", "lightfm-next") from error
        model = LightFM(
            no_components=self.factors,
            loss="warp",
            user_alpha=self.penalty,
            item_alpha=self.penalty,
            random_state=self.seed,
        )
        # More than one thread would write over each other, and the same seed give different factors.
        return model.fit(likes.tocoo(), users, items, epochs=self.epochs, num_threads=1)


@dataclass(frozen=True, slots=True)
class Features:
    """What the factors of users and items are summed over: their attributes, and themselves where they are known.

    Attributes:
        layout: the items' attributes.
        profiles: (U, values) the users' attributes.
        liked: (I,) whether somebody likes an item; the others have no factor of their own, which would be noise.
    """

    layout: FittedSpace
    profiles: csr_matrix
    liked: Mask

    @classmethod
    def of(cls, material: BaselineData) -> Features:
        """Those of the material."""
        warm = np.flatnonzero(material.warm_users)
        groupings = [Grouping.of(material.users, warm, (name,)) for name in groupable(material.users, warm)]
        profiles = [_one_hot(one.groups(material.users), len(one.names)) for one in groupings]
        nothing = csr_matrix((len(material.users), 0), dtype=np.float32)
        layout = AttributeSpace().fit(material.content, material.warm_items)
        return cls(layout, csr_matrix(hstack([nothing, *profiles])), material.popularity() > 0)

    def users(self, likes: csr_matrix, profiles: Mask) -> csr_matrix:
        """(U, U + values) of users.

        Args:
            likes: (U, I); who likes nothing has no factor of their own.
            profiles: (U,) of whom the profile is known.
        """
        own = np.asarray(likes.sum(axis=1)).ravel() > 0
        return csr_matrix(hstack([_diagonal(own), _diagonal(profiles) @ self.profiles]))

    def items(self, content: Content) -> csr_matrix:
        """(I, I + values) of items."""
        return csr_matrix(hstack([_diagonal(self.liked), self.layout.place(content).documents]))


@dataclass(frozen=True, slots=True)
class Hybrid:
    """A fitted LightFM.

    It cannot fold in a new user's likes: where some are known, it is trained again with them.

    Attributes:
        settings: of the training.
        features: of users and items.
        likes: (U, I) it was trained on.
        warm_users: (U,) those of training.
        model: LightFM's, which has no types.
    """

    settings: LightFm
    features: Features
    likes: csr_matrix
    warm_users: Mask
    model: Any

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        new = ~self.warm_users[scenario.users]  # (Q,)
        profiles = np.ones(len(self.warm_users), dtype=np.bool_)
        profiles[scenario.users[new]] = scenario.profile
        query, item = histories(scenario, len(content.items))[new].nonzero()
        entries = (np.ones(len(item), dtype=np.float32), (scenario.users[new][query], item))
        likes = self.likes + csr_matrix(entries, shape=self.likes.shape)
        users, items = self.features.users(likes, profiles), self.features.items(content)
        model = self.settings.train(likes, users, items) if len(item) else self.model
        user_bias, user = model.get_user_representations(users[scenario.users])
        item_bias, item_factors = model.get_item_representations(items[scenario.candidates])
        scores = user @ item_factors.T + item_bias + user_bias[:, None]  # (Q, C)
        return np.asarray(scores, dtype=np.float32)


def _one_hot(groups: np.ndarray[tuple[int], np.dtype[np.int64]], count: int) -> csr_matrix:
    ones = np.ones(len(groups), dtype=np.float32)
    return csr_matrix((ones, (np.arange(len(groups)), groups)), shape=(len(groups), count))


def _diagonal(mask: Mask) -> csr_matrix:
    return csr_matrix(diags(mask.astype(np.float32)))
