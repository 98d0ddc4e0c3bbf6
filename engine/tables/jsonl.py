"""JSON Lines: one JSON object per line."""

from __future__ import annotations

import json
from typing import Any

from .cells import Cell


def parse_object(line: str) -> dict[str, Any]:
    """Parse a line.

    Raises:
        ValueError: the line is not a JSON object.
    """
    try:
        values = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("not an object, {…}")
    return values


def cell(value: object) -> Cell:
    """Convert a JSON value to a cell: ``true`` becomes a text, and null a missing value.

    Raises:
        ValueError: the value is an object, a nested list, or has a lone surrogate.
    """
    match value:
        case None:
            return None
        case str():
            value.encode()  # raises for a lone surrogate, which JSON can escape
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
