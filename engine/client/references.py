"""Three ways to name an item, in a history or among candidates."""

from __future__ import annotations

from numpy.typing import ArrayLike

from emberline.engine.records import ItemReference
from emberline.engine.wire import values


def by_id(item_id: str) -> ItemReference:
    """An item of the server's catalogue; its stored vector is used, so this costs no encoding."""
    return ItemReference(id=values.text(item_id, "by_id"))


def by_text(text: str) -> ItemReference:
    """An item by what the encoder shall read, in the catalogue or not: ``title: Alien; genres: Horror, Sci-Fi``."""
    return ItemReference(text=values.text(text, "by_text"))


def by_vector(vector: ArrayLike) -> ItemReference:
    """An item by its `sentence_embedding` (H,), as `encode` returns it; this costs no encoding."""
    return ItemReference(vector=values.vector(vector, "by_vector"))
