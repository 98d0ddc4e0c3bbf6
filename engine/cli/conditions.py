"""Parsing of filters on the command line: ``genres=Horror|Sci-Fi``, ``year>=1990``, ``year!=1990..1999``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from emberline.engine import Filter

_CONDITION: Final = re.compile(r"(?P<field>[^=<>!]+)(?P<sign>>=|<=|!=|=)(?P<value>.+)")
_NUMBER: Final = r"[-+]?\d+(?:\.\d*)?"
_RANGE: Final = re.compile(rf"(?P<low>{_NUMBER})?\.\.(?P<high>{_NUMBER})?")


def condition(text: str) -> Filter:
    """Parse a filter.

    Raises:
        typer.BadParameter: the text is not a condition.
    """
    from emberline.engine import Filter

    match = _CONDITION.fullmatch(text.strip())
    if not match:
        raise typer.BadParameter(
            f"{text!r} is not a condition; write FIELD=A|B, FIELD!=A|B, FIELD>=N, FIELD<=N or FIELD=N..M",
            param_hint="--where",
        )
    field, sign, value = match["field"].strip(), match["sign"], match["value"].strip()
    if sign == ">=":
        return Filter(field, minimum=_number(value, text))
    if sign == "<=":
        return Filter(field, maximum=_number(value, text))
    bounds = _RANGE.fullmatch(value)
    if bounds and (bounds["low"] or bounds["high"]):
        low, high = (None if bound is None else float(bound) for bound in bounds.group("low", "high"))
        return Filter(field, minimum=low, maximum=high, exclude=sign == "!=")
    return Filter(field, any_of=tuple(entry.strip() for entry in value.split("|")), exclude=sign == "!=")


def _number(value: str, text: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} compares with {value!r}, which is not a number", param_hint="--where"
        ) from None
