"""A table's cells as texts, numbers and lists of texts."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from .html import without_tags

#: What a text file gives: a text, texts where its format knows lists, or nothing.
Cell = str | list[str] | None

#: Marks between groups of thousands, beside the comma or point that is not the decimal mark.
_SPACES: Final = " \u00a0\u202f\u2009'’"
_GROUPED: Final = {
    ".": re.compile(rf"[+-]?[1-9]\d{{0,2}}([,{_SPACES}]\d{{3}})+(\.\d+)?"),
    ",": re.compile(rf"[+-]?[1-9]\d{{0,2}}([.{_SPACES}]\d{{3}})+(,\d+)?"),
}


def text(cell: str | None, missing: Sequence[str] = (), *, html: bool = False) -> str | None:
    """A text without white space around it; None if there is none.

    Args:
        cell: as the file has it.
        missing: texts that stand for none.
        html: whether to take tags out and to resolve entities.
    """
    if cell is None:
        return None
    found = (without_tags(cell) if html else cell).strip()
    return None if not found or found in missing else found


def entries(cell: Cell, separator: str, missing: Sequence[str] = (), *, html: bool = False) -> list[str] | None:
    """Different texts in the file's order; None if there is none.

    Args:
        cell: texts, or one text that is cut at the separator.
        separator: between the entries of a text.
        missing: entries that stand for none.
        html: whether to take tags out and to resolve entities.
    """
    parts = cell.split(separator) if isinstance(cell, str) else cell or ()
    found = (text(part, missing, html=html) for part in parts)
    return list(dict.fromkeys(part for part in found if part is not None)) or None


def number(cell: str, decimal: str = ".") -> float | None:
    """A finite number, perhaps with a currency sign and with marks between thousands; None if it is something else.

    Args:
        cell: a text that is not empty.
        decimal: the decimal mark, ``.`` or ``,``.
    """
    plain = cell.strip(_SPACES)
    if not plain.isascii() or "$" in plain:
        plain = "".join(char for char in plain if unicodedata.category(char) != "Sc").strip(_SPACES)
    if _GROUPED[decimal].fullmatch(plain):
        plain = re.sub(rf"[{_SPACES}{',' if decimal == '.' else '.'}]", "", plain)
    elif decimal == "," and "." in plain:
        return None
    if "_" in plain:  # Python's own mark between digits, which no file means
        return None
    try:
        found = float(plain.replace(",", ".") if decimal == "," else plain)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def likely_decimal(cells: Iterable[str]) -> str:
    """The decimal mark by which more of some cells are numbers; a point if they do not tell."""
    comma = point = 0
    for cell in cells:
        if "," in cell or "." in cell:
            as_comma, as_point = number(cell, ",") is not None, number(cell, ".") is not None
            comma += as_comma and not as_point
            point += as_point and not as_comma
    return "," if comma > point else "."
