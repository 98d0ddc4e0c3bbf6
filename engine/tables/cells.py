"""Conversion of a table's cells to texts, numbers and lists of texts."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from .html import without_tags

#: The value of a cell: a text, several texts if the format has lists, or nothing.
Cell = str | list[str] | None

#: Separators of thousands, in addition to the comma or point that is not the decimal mark.
_SPACES: Final = " \u00a0\u202f\u2009'’"
_GROUPED: Final = {
    ".": re.compile(rf"[+-]?[1-9]\d{{0,2}}([,{_SPACES}]\d{{3}})+(\.\d+)?"),
    ",": re.compile(rf"[+-]?[1-9]\d{{0,2}}([.{_SPACES}]\d{{3}})+(,\d+)?"),
}


def text(cell: str | None, missing: Sequence[str] = (), *, html: bool = False) -> str | None:
    """Return a text without surrounding white space; None if it is empty or missing.

    Args:
        cell: content of the cell.
        missing: texts that stand for a missing value.
        html: whether to remove tags and resolve entities.
    """
    if cell is None:
        return None
    stripped = (without_tags(cell) if html else cell).strip()
    return None if not stripped or stripped in missing else stripped


def entries(cell: Cell, separator: str, missing: Sequence[str] = (), *, html: bool = False) -> list[str] | None:
    """Return the distinct texts of a list, in the file's order; None if there is none.

    Args:
        cell: texts, or one text to split at the separator.
        separator: separator of the entries in a text.
        missing: entries that stand for a missing value.
        html: whether to remove tags and resolve entities.
    """
    parts = cell.split(separator) if isinstance(cell, str) else cell or ()
    values = (text(part, missing, html=html) for part in parts)
    return list(dict.fromkeys(value for value in values if value is not None)) or None


def number(cell: str, decimal: str = ".") -> float | None:
    """Parse a finite number, which may have a currency sign and separators of thousands; None for any other text.

    Args:
        cell: content of the cell, not empty.
        decimal: decimal mark, ``.`` or ``,``.
    """
    plain = cell.strip(_SPACES)
    if not plain.isascii() or "$" in plain:
        plain = "".join(char for char in plain if unicodedata.category(char) != "Sc").strip(_SPACES)
    if _GROUPED[decimal].fullmatch(plain):
        plain = re.sub(rf"[{_SPACES}{',' if decimal == '.' else '.'}]", "", plain)
    elif decimal == "," and "." in plain:
        return None
    if "_" in plain:  # a separator of digits in Python only
        return None
    try:
        value = float(plain.replace(",", ".") if decimal == "," else plain)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def likely_decimal(cells: Iterable[str]) -> str:
    """Return the decimal mark with which more of the cells are numbers; a point if both are equal."""
    comma = point = 0
    for cell in cells:
        if "," in cell or "." in cell:
            as_comma, as_point = number(cell, ",") is not None, number(cell, ".") is not None
            comma += as_comma and not as_point
            point += as_point and not as_comma
    return "," if comma > point else "."
