"""Tables that are declared column by column: what stands in it, out of rows of any kind, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from emberline.bench.harness.measurements import Summary
from emberline.bench.harness.result import Result

from .document import Cell, Column, Section, Table
from .wording import DASH, number, span

#: What a column may find in a row: a number, several of which a summary knows; words; or a cell as it shall stand.
Value = float | Summary | str | Cell | None


@dataclass(frozen=True, slots=True)
class Declared:
    """A column."""

    column: Column  # its head.
    value: Callable[[Any], Value]  # finds its value in a row; None is written as a dash.
    write: Callable[[float], str] = number  # how a number is written; of a summary, its median.
    #: what stands smaller behind it, out of the row; by default a summary's range.
    detail: Callable[[Any], str] | None = None
    #: `max` or `min`, of which the column marks the best; None: it marks none.
    best: Callable[[Iterable[float]], float] | None = None

    def cells(self, rows: Sequence[Any]) -> list[Cell]:
        """The column's cells, one a row. The best of fewer than two numbers would be the best of nothing."""
        values = [self.value(row) for row in rows]
        known = [one for one in map(_figure, values) if one is not None]
        best = self.best(known) if self.best and len(known) > 1 else None
        return [self._cell(row, value, best) for row, value in zip(rows, values, strict=True)]

    def _cell(self, row: Any, value: Value, best: float | None) -> Cell:
        if isinstance(value, Cell):
            return value
        figure = _figure(value)
        text = self.write(figure) if figure is not None else value if isinstance(value, str) else DASH
        detail = self.detail(row) if self.detail else span(value) if isinstance(value, Summary) else ""
        return Cell(text, detail, best=figure is not None and figure == best)


def words(
    title: str, value: Callable[[Any], str | Cell], unit: str = "", detail: Callable[[Any], str] | None = None
) -> Declared:
    """A column of words, which stand to the left."""
    return Declared(Column(title, unit, number=False), value, detail=detail)


def numbers(
    title: str,
    value: Callable[[Any], Value],
    unit: str = "",
    *,
    write: Callable[[float], str] = number,
    detail: Callable[[Any], str] | None = None,
    best: Callable[[Iterable[float]], float] | None = None,
) -> Declared:
    """A column of numbers, which stand to the right."""
    return Declared(Column(title, unit), value, write, detail, best)


def table(rows: Iterable[Any], *columns: Declared, note: str = "") -> Table:
    """A table with a row for each of `rows`; `note` says how to read it."""
    found = list(rows)
    cells = zip(*(column.cells(found) for column in columns), strict=True)
    return Table(tuple(one.column for one in columns), tuple(cells), note)


def _figure(value: Value) -> float | None:
    if isinstance(value, Summary):
        return value.median
    return None if value is None or isinstance(value, str | Cell) else float(value)


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


def bounds(result: Result, note: str = "", write: Callable[[float], str] = number) -> Section:
    """All bounds of a result; `write` says how measured values are written."""

    def measured(one: Mapping[str, Any]) -> Summary | None:
        return Summary(**one["value"]) if one["value"] else None

    shown = table(
        result["bounds"],
        words("Bound on", lambda one: one["what"]),
        words("of", lambda one: one["compared"]),
        numbers("measured", measured, "median, range", write=write),
        numbers("bound", lambda one: f"{'≤' if one['at_most'] else '≥'} {number(one['bound'])}"),
        words("", lambda one: Cell(verdict(one), best=one["reached"])),
        note=note,
    )
    return Section("Bounds", (shown,))
