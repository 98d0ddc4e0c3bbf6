"""Parsing of items, each a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emberline.engine.errors import DataError

if TYPE_CHECKING:
    from emberline.engine import Item


def read_item(source: str, line: str) -> Item:
    """Parse an item: ``id``, optionally ``text``, and the attributes, as further keys or in an object ``attributes``.

    Args:
        source: file and line, for the error.
        line: the JSON.

    Raises:
        DataError: the line is not such an item.
    """
    from emberline.engine import Item

    try:
        document: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{source} is not valid JSON ({error.msg} at column {error.colno}); write one item per line"
        ) from None
    if not isinstance(document, dict):
        raise DataError(f"{source} is not a JSON object; write an item as {{'id': …, 'title': …}}")
    item_id, text = document.pop("id", None), document.pop("text", "")
    if isinstance(item_id, int) and not isinstance(item_id, bool):
        item_id = str(item_id)
    if not isinstance(item_id, str) or not item_id:
        raise DataError(f"{source} has no id; give the item one, as a text")
    if not isinstance(text, str):
        raise DataError(f"{source} has a 'text' that is not a text; correct it or leave it out")
    nested = document.get("attributes")
    if isinstance(nested, Mapping):
        del document["attributes"]
        if document:
            raise DataError(
                f"{source} has attributes both in 'attributes' and outside it ({', '.join(document)}); use one way"
            )
        document = nested
    return Item(item_id, document, text)
