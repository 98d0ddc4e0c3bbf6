"""The table of bounds: what a measurement has to show, and whether it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from emberline.bench.harness.measurements import Summary
from emberline.bench.harness.result import Result
from emberline.bench.report.document import Cell, Section
from emberline.bench.report.tables import numbers, table, words
from emberline.bench.report.wording import number

#: The sections of `bench peers` that show what a bounded figure is made of, by a bound's profile.
TITLES: Final[Mapping[str, str]] = {
    "parts": "Where a lone request's time goes",
    "operators": "Where the encoder's time goes",
    "spent": "What an answer takes of the CPU",
    "loads": "Requests that arrive by themselves",
    "work": "Growing work",
}


def verdict(bound: Mapping[str, Any]) -> str:
    """Whether a bound was reached, or how far it is."""
    if bound["share"] is None:
        return f"not measured: {bound['reason']}"
    if bound["reached"]:
        return "reached"
    shown = f"; see “{TITLES[bound['profile']]}”" if bound["profile"] else ""
    return f"missed, at {100 * bound['share']:.0f} % of the bound{shown}"


def bounds(result: Result, note: str = "") -> Section:
    """All bounds of a result."""
    shown = table(
        result["bounds"],
        words("Bound on", lambda one: one["what"]),
        words("of", lambda one: one["compared"]),
        numbers("measured", lambda one: Summary(**one["value"]) if one["value"] else None, "median, range"),
        numbers("bound", lambda one: f"{'≤' if one['at_most'] else '≥'} {number(one['bound'])}"),
        words("", lambda one: Cell(verdict(one), best=one["reached"])),
        note=note,
    )
    return Section("Bounds", (shown,))
