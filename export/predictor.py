"""The interface of a model in any form: PyTorch, or ONNX in any precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from emberline.engine.records import Floats


class Predictor(Protocol):
    """A model on NumPy arrays: N texts, items, users or pairs; H is the width of the encoder, D that of the towers."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """`sentence_embedding` (N, H) of texts; zeros for an empty text."""
        ...

    def item(self, embeddings: Floats) -> tuple[Floats, Floats, Floats]:
        """`item_embedding` (N, D), `item_bias` (N,) and `item_attributes` (N, A), of sentence embeddings (N, H)."""
        ...

    def pool(self, liked: Floats) -> Floats:
        """What the user tower reads of a history, (D,), of the `item_embedding` (N, D) of its items, at least one."""
        ...

    def user(self, history: Floats, profile: Floats, length: Floats) -> tuple[Floats, Floats]:
        """`user_embedding` (N, D) and `user_attributes` (N, C), of user-tower inputs (N, D), (N, H) and (N,)."""
        ...

    def match(self, user: Floats, item: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """`probability` and `rating` (N,), of user embeddings (N, D), item embeddings (N, D) and biases (N,)."""
        ...

    def score(self, user: Floats, item: Floats, bias: Floats) -> Floats:
        """The ranking scores (users, items) of every user with every item."""
        ...
