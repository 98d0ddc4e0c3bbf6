"""JSONL files: one JSON object a line."""

from __future__ import annotations

import json
from typing import Any

from .cells import Cell


def parse_object(line: str) -> dict[str, Any]:
    """Read a line.

    Raises:
        ValueError: it is not JSON, or JSON of something else.
    """
    try:
        values = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("not an object, {…}")
    return values


def cell(value: object) -> Cell:
    """What a table's cell holds if JSON gives a value: ``true`` is a text, and what is null is not there.

    Raises:
        ValueError: it is an object, a list within a list, or half a character.
    """
    match value:
        case None:
            return None
        case str():
            value.encode()  # half of a surrogate pair, which JSON can escape, is no text: a ValueError
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list():
            entries = [cell(entry) for entry in value]
            if any(isinstance(entry, list) for entry in entries):
                raise ValueError("a list within a list")
            return [entry for entry in entries if isinstance(entry, str)]
        case _:
            raise ValueError("an object within the object")
