"""References: three ways to name an item in a history or among candidates."""

from __future__ import annotations

from numpy.typing import ArrayLike

from .records import ItemReference
from .wire import values


def by_id(item_id: str) -> ItemReference:
    """Refer to an item of the catalogue. Its stored vector is used, and nothing is encoded."""
    return ItemReference(id=values.text(item_id, "by_id"))


def by_text(text: str) -> ItemReference:
    """Refer to an item by the text that the encoder reads, e.g. ``title: Alien; genres: Horror, Sci-Fi``."""
    return ItemReference(text=values.text(text, "by_text"))


def by_vector(vector: ArrayLike) -> ItemReference:
    """Refer to an item by its `sentence_embedding` (H,), as `encode` returns it. Nothing is encoded."""
    return ItemReference(vector=values.vector(vector, "by_vector"))
