"""Checks of a caller's arguments, before they are sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from emberline.engine.errors import InvalidInput
from emberline.engine.wire.values import texts

T = TypeVar("T")


def listed(values: Iterable[T], field: str) -> tuple[T, ...]:
    """Convert values to a tuple.

    Raises:
        InvalidInput: the values are not a list. A single text is not one, although Python would iterate over its
            letters.
    """
    if isinstance(values, str):
        raise InvalidInput(field, f"is one text, {values!r}; put it into a list")
    if not isinstance(values, Iterable):
        raise InvalidInput(field, f"is {type(values).__name__}; it must be a list")
    return tuple(values)


def ids_of(ids: Iterable[str]) -> tuple[str, ...]:
    """Check the ids of items, for `Client.delete_items` and `Client.get_items`.

    Raises:
        InvalidInput: the ids are not a list of texts, or one is not UTF-8.
    """
    return tuple(texts(ids, "ids"))
