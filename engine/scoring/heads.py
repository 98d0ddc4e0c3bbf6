"""The towers and the match head on top of the encoder's vectors: small, fp32, on the CPU."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from emberline.engine.bundle import Bundle
from emberline.engine.records import ITEM_OUTPUTS, USER_OUTPUTS, Floats
from emberline.engine.runtime.ort import open_session

_MATCH_OUTPUTS: Final = ("probability", "rating")


class ItemHeads(NamedTuple):
    """What the item tower says of B items.

    Attributes:
        embedding: (B, D) `item_embedding`.
        bias: (B,) `item_bias`.
        attributes: (B, A) the probability of each item label.
    """

    embedding: Floats
    bias: Floats
    attributes: Floats


class UserHeads(NamedTuple):
    """What the user tower says of B users.

    Attributes:
        embedding: (B, D) `user_embedding`.
        attributes: (B, A) the probability of each user label.
    """

    embedding: Floats
    attributes: Floats


class Match(NamedTuple):
    """What the match head says of a user and C items.

    Attributes:
        probability: (C,) that the user likes the item, calibrated.
        rating: (C,) that the user would give.
    """

    probability: Floats
    rating: Floats


class Heads:
    """The three graphs. May be called from any thread."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the graphs; see `open_session` for what it raises."""
        layout, graphs = bundle.layout, bundle.manifest.graphs
        self._item = open_session(layout.item_tower, graphs["item_tower"])
        self._user = open_session(layout.user_tower, graphs["user_tower"])
        self._match = open_session(layout.match, graphs["match"])

    def item(self, embeddings: Floats) -> ItemHeads:
        """Run the item tower on (B, H) encoder's vectors."""
        return ItemHeads(*self._item.run(ITEM_OUTPUTS, {"sentence_embedding": embeddings}))

    def user(self, history: Floats, profile: Floats, length: Floats) -> UserHeads:
        """Run the user tower.

        Args:
            history: (B, D) the mean of the liked items' `item_embedding`; zeros without any.
            profile: (B, H) the encoder's vector of the profile; zeros without one.
            length: (B,) how many items were liked.
        """
        inputs = {"history": history, "profile": profile, "history_length": length}
        return UserHeads(*self._user.run(USER_OUTPUTS, inputs))

    def match(self, user: Floats, items: Floats, biases: Floats) -> Match:
        """Run the match head.

        Args:
            user: (D,) `user_embedding`.
            items: (C, D) `item_embedding` of the candidates.
            biases: (C,) `item_bias` of the candidates.
        """
        users = np.repeat(user[None, :], len(items), axis=0)  # (C, D)
        inputs = {"user_embedding": users, "item_embedding": items, "item_bias": biases}
        return Match(*self._match.run(_MATCH_OUTPUTS, inputs))
