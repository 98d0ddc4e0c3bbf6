"""A caller's arguments, checked before they are sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from emberline.engine.errors import InvalidInput
from emberline.engine.wire.entities import unicode

T = TypeVar("T")


def listed(values: Iterable[T], field: str) -> tuple[T, ...]:
    """Values as a tuple.

    Raises:
        InvalidInput: they are one text, which Python would take for the list of its letters.
    """
    if isinstance(values, str):
        raise InvalidInput(field, f"is one text, {values!r}; put it into a list")
    return tuple(values)


def ids_of(ids: Iterable[str]) -> tuple[str, ...]:
    """The ids of items, for `Client.delete_items` and `Client.get_items`.

    Raises:
        InvalidInput: they are one text, or one is not UTF-8.
    """
    given = listed(ids, "ids")
    for index, item_id in enumerate(given):
        with unicode(f"ids[{index}]"):
            item_id.encode()
    return given
