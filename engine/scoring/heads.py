"""The towers and the match head, which take the encoder's vectors. They are small and run in fp32 on the CPU."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from emberline.engine.bundle import NEWNESS, Bundle
from emberline.engine.records import ITEM_OUTPUTS, USER_OUTPUTS, Floats
from emberline.engine.runtime.ort import open_session

_MATCH_OUTPUTS: Final = ("probability", "rating")


class ItemHeads(NamedTuple):
    """The item tower's outputs for B items.

    Attributes:
        embedding: (B, D) `item_embedding`.
        bias: (B,) `item_bias`.
        attributes: (B, A) `item_attributes`, the probability of each item label.
    """

    embedding: Floats
    bias: Floats
    attributes: Floats


class UserHeads(NamedTuple):
    """The user tower's outputs for B users.

    Attributes:
        embedding: (B, D) `user_embedding`.
        attributes: (B, A) `user_attributes`, the probability of each user label.
    """

    embedding: Floats
    attributes: Floats


class Match(NamedTuple):
    """The match head's outputs for a user and C items.

    Attributes:
        probability: (C,) calibrated probability that the user likes the item.
        rating: (C,) predicted rating.
    """

    probability: Floats
    rating: Floats


class Heads:
    """The item tower, the user tower and the match head of a bundle. May be called from any thread."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the graphs; see `open_session` for the errors."""
        layout, file, graphs = bundle.layout, bundle.file, bundle.manifest.graphs
        self._item = open_session(file(layout.item_tower), graphs["item_tower"])
        self._user = open_session(file(layout.user_tower), graphs["user_tower"])
        self._match = open_session(file(layout.match), graphs["match"])

    def item(self, embeddings: Floats) -> ItemHeads:
        """Run the item tower on B vectors of the encoder, (B, H)."""
        return ItemHeads(*self._item.run(ITEM_OUTPUTS, {"sentence_embedding": embeddings}))

    def newness(self, embeddings: Floats) -> Floats:
        """Return how new items are, (B,) from 0, met in training, to 1, of B vectors of the encoder, (B, H).

        The bundle has this output; see `Manifest.newness`.
        """
        newness: Floats
        (newness,) = self._item.run((NEWNESS,), {"sentence_embedding": embeddings})
        return newness

    def user(self, history: Floats, profile: Floats, length: Floats) -> UserHeads:
        """Run the user tower.

        Args:
            history: (B, D) of the liked items' `item_embedding`, as `pool` has it; zeros without a history.
            profile: (B, H) the encoder's vector of the profile; zeros without a profile.
            length: (B,) number of liked items.
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
