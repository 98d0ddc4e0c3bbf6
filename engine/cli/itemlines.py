"""An item as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emberline.engine.errors import DataError

if TYPE_CHECKING:
    from emberline.engine import Item


def read_item(place: str, line: str) -> Item:
    """Read an item: ``id``, perhaps ``text``, and the attributes, beside them or in an object ``attributes``.

    Args:
        place: the file and the line, for the error.
        line: the JSON.

    Raises:
        DataError: it is no such item.
    """
    from emberline.engine import Item

    try:
        found: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{place} is no JSON ({error.msg} at column {error.colno}); write one item a line") from None
    if not isinstance(found, dict):
        raise DataError(f"{place} is no JSON object; write an item as {{'id': …, 'title': …}}")
    item_id, text = found.pop("id", None), found.pop("text", "")
    if isinstance(item_id, int) and not isinstance(item_id, bool):
        item_id = str(item_id)
    if not isinstance(item_id, str) or not item_id:
        raise DataError(f"{place} has no id; give the item one, a text")
    if not isinstance(text, str):
        raise DataError(f"{place} has a text that is none; leave it out or make it one")
    nested = found.get("attributes")
    if isinstance(nested, Mapping):
        del found["attributes"]
        if found:
            raise DataError(
                f"{place} has attributes both in 'attributes' and beside it ({', '.join(found)}); keep to one way"
            )
        found = nested
    return Item(item_id, found, text)
