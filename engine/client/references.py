"""References: three ways to name an item in a history or among candidates."""

from __future__ import annotations

from numpy.typing import ArrayLike

from emberline.engine.records import ItemReference
from emberline.engine.wire import values


def by_id(item_id: str) -> ItemReference:
    """Refer to an item of the server's catalogue. The server uses its stored vector and encodes nothing."""
    return ItemReference(id=values.text(item_id, "by_id"))


def by_text(text: str) -> ItemReference:
    """Refer to an item by the text that the encoder reads, e.g. ``title: Alien; genres: Horror, Sci-Fi``."""
    return ItemReference(text=values.text(text, "by_text"))


def by_vector(vector: ArrayLike) -> ItemReference:
    """Refer to an item by its `sentence_embedding` (H,), as `encode` returns it. The server encodes nothing."""
    return ItemReference(vector=values.vector(vector, "by_vector"))
