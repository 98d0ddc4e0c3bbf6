"""An evaluator of made-up films and users, whose towers are random projections. Loaded by `conftest.py`."""

from __future__ import annotations

import numpy as np

from emberline.bench.peers.evaluator import RankingEvaluator
from emberline.engine.records import Item
from emberline.export.data.description import Description
from emberline.export.data.records import Dataset, Interactions, UserRecord
from emberline.export.data.split import Fractions, split
from emberline.export.gate.holdout import HoldoutSet

HIDDEN, DIMENSIONS = 16, 8
ITEMS, USERS = 30, 20


class RandomTowers:
    """A model whose encoder is somebody else's."""

    def __init__(self):
        random = np.random.default_rng(0)
        self._item, self._history, self._profile = (
            random.standard_normal((width, DIMENSIONS)).astype(np.float32) for width in (HIDDEN, DIMENSIONS, HIDDEN)
        )

    def item(self, embeddings):
        """Vectors without biases and attributes."""
        return embeddings @ self._item, np.zeros(len(embeddings), np.float32), np.zeros((len(embeddings), 0))

    def pool(self, liked):
        """The mean of what is liked."""
        return liked.mean(axis=0)

    def user(self, history, profile, length):
        """Vectors without attributes."""
        del length
        return history @ self._history + profile @ self._profile, np.zeros((len(history), 0))

    def score(self, user, item, bias):
        """Dot products."""
        return user @ item.T + bias


def make_evaluator(user_share=0.2):
    """An evaluator; one in five items and `user_share` of the users are unseen, and some profiles are empty."""
    random = np.random.default_rng(0)
    items = tuple(Item(f"i{place}", {"title": f"film {place}", "genres": ["Comedy"]}) for place in range(ITEMS))
    users = tuple(UserRecord(f"u{place}", {"age": 20.0 + place % 5} if place % 4 else {}) for place in range(USERS))
    rated = [(user, item) for user in range(USERS) for item in random.permutation(ITEMS)[:12]]
    rows = Interactions(
        np.array([user for user, _ in rated], np.int32),
        np.array([item for _, item in rated], np.int32),
        np.full(len(rated), 5, np.float32),
        np.arange(len(rated), dtype=np.int64),
        np.ones(len(rated), np.bool_),
    )
    dataset = Dataset(Description.builtin("ml-100k"), items, users, rows)
    return RankingEvaluator(RandomTowers(), HoldoutSet.of(dataset, split(dataset, 0, Fractions(users=user_share))))
