"""Where a model stands beside the best baselines: on one data set, and on several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Cell, Document, Section, Table
from emberline.bench.report.tables import Declared, numbers, table, words
from emberline.bench.report.wording import DASH, prose, three

Row = Mapping[str, Any]

#: Measures of which the mean over the data sets has a bound of its own, by how they begin.
_MEANS: Final[Mapping[str, float]] = {"new items": 1.12, "new users": 1.05}


def standing(rows: Sequence[Row]) -> Section:
    """The rows of one data set."""
    return Section("Beside the best baselines", (_table(rows, note=prose("coldstart.standing")),))


def side_by_side(results: Sequence[Result]) -> Document:
    """The rows of several data sets: the ratios beside each other, then every row with what it is made of."""
    rows = {result["settings"]["data_set"]: result["standing"] for result in results}
    seeds = {result["settings"]["data_set"]: len(result["settings"]["seeds"]) for result in results}
    whole = [{**row, "data_set": name} for name, found in rows.items() for row in found]
    return Document(
        "Cold start on several data sets",
        prose("coldstart.side_by_side", seeds=seeds),
        (
            Section("Ratios", (_ratios(rows),)),
            Section("In full", (_table(whole, words("Data set", lambda row: row["data_set"])),)),
        ),
    )


def _ratios(rows: Mapping[str, Sequence[Row]]) -> Table:
    models = list(dict.fromkeys(row["method"] for found in rows.values() for row in found))
    named = list(dict.fromkeys((row["measure"], row["method"]) for found in rows.values() for row in found))

    def find(data_set: str, name: tuple[str, str]) -> Row | None:
        return next((row for row in rows[data_set] if (row["measure"], row["method"]) == name), None)

    def column(data_set: str) -> Declared:
        def cell(name: tuple[str, str]) -> Cell:
            row = find(data_set, name)
            return Cell(DASH) if row is None else Cell(_ratio(row["ratio"]), best=not row["reached"])

        return numbers(data_set, cell)

    def mean(name: tuple[str, str]) -> Cell:
        there = [row for data_set in rows if (row := find(data_set, name)) is not None]
        found = [row["ratio"] for row in there if row["ratio"] is not None]
        bound = next((value for begin, value in _MEANS.items() if name[0].startswith(begin)), None)
        if not found:
            return Cell(DASH)
        value = sum(found) / len(found)
        return Cell(_ratio(value), best=bound is not None and value < bound)

    def bound(name: tuple[str, str]) -> str:
        row = next(row for found in rows.values() for row in found if (row["measure"], row["method"]) == name)
        of_mean = next((f"; mean {value:g}" for begin, value in _MEANS.items() if name[0].startswith(begin)), "")
        return f"{_bound(row)}{of_mean}"

    several = len({model.partition(",")[0] for model in models}) > 1
    return table(
        named,
        words("Ratio", lambda name: f"{name[0]} ({name[1]})" if several else name[0]),
        *(column(data_set) for data_set in rows),
        numbers("mean", mean),
        numbers("should be", bound),
        note=prose("coldstart.ratios"),
    )


def _table(rows: Sequence[Row], *first: Declared, note: str = "") -> Table:
    return table(
        rows,
        *first,
        words("Measure", lambda row: row["measure"]),
        words("of", lambda row: row["method"]),
        numbers("value", lambda row: row["value"], write=three),
        words("beside", lambda row: row["against"]),
        numbers("its value", lambda row: row["other"], write=three),
        numbers("ratio", lambda row: Cell(_ratio(row["ratio"]), _interval(row), best=not row["reached"])),
        numbers("each seed", lambda row: ", ".join(_ratio(one) for one in row["seeds"])),
        numbers("should be", _bound),
        note=note,
    )


def _ratio(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}"


def _interval(row: Row) -> str:
    return "" if row["low"] is None else f"{_ratio(row['low'])}–{'∞' if row['high'] is None else _ratio(row['high'])}"


def _bound(row: Row) -> str:
    return f"≥ {row['at_least']:g}" if row["at_most"] is None else f"{row['at_least']:g} to {row['at_most']:g}"
