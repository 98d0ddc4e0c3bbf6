"""Cells as texts, numbers, lists and times."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emberline.engine.errors import DataError
from emberline.export.data.frame import Frame
from emberline.export.data.values import lists, numbers, seconds, texts


def _frame(cells: list[object], dtype: pl.DataType | type[pl.DataType] | None = None) -> Frame:
    data = pl.DataFrame({"x": pl.Series(cells, dtype=dtype)})
    return Frame(Path("a.csv"), data, np.arange(1, len(cells) + 1))


def test_texts_are_stripped() -> None:
    """White space around a text is taken away; what is empty, or stands for nothing, is null."""
    assert texts(_frame([" a b ", "  ", "", None, "none"]), "x", ["none"]).to_list() == ["a b", None, None, None, None]


def test_texts_of_other_types() -> None:
    """Numbers and truth values become texts, as ids in Parquet need."""
    assert texts(_frame([1, 20]), "x").to_list() == ["1", "20"]
    assert texts(_frame([True]), "x").to_list() == ["true"]
    assert texts(_frame(["a"], pl.Categorical), "x").to_list() == ["a"]


def test_numbers() -> None:
    """A text that is a finite number is one; any other text is a fault, and an empty cell is neither."""
    number, bad = numbers(_frame(["4", " 2.5 ", "-1e3", "", None, "four", "nan", "inf", "4,5", "n/a"]), "x", ["n/a"])
    assert number.to_list() == [4, 2.5, -1000, None, None, None, None, None, None, None]
    assert bad.to_list() == [False, False, False, False, False, True, True, True, True, False]


def test_numbers_of_numeric_columns() -> None:
    """NaN and infinity in a Parquet column are faults."""
    number, bad = numbers(_frame([4.0, float("nan"), float("inf"), None]), "x")
    assert number.to_list() == [4, None, None, None]
    assert bad.to_list() == [False, True, True, False]


def test_lists() -> None:
    """A cell is cut at the separator; its entries are stripped, each once, and those that stand for nothing dropped."""
    cells = ["Horror| Sci-Fi |Horror||", "unknown", "", None, "unknown|Drama"]
    assert lists(_frame(cells), "x", "|", ["unknown"]).to_list() == [["Horror", "Sci-Fi"], None, None, None, ["Drama"]]


def test_real_lists() -> None:
    """Lists of Parquet and JSONL are taken as they are, and not cut."""
    cells = [["a,b", None, " c "], [], None]
    assert lists(_frame(cells), "x", ",").to_list() == [["a,b", "c"], None, None]
    assert lists(_frame([[1, 2]]), "x", ",").to_list() == [["1", "2"]]


def test_seconds() -> None:
    """Numbers are seconds with their fractions; ISO 8601 is read with its zone, or as UTC; the rest is null."""
    cells = ["881250949", "881250949.9", "2024-01-01", "2024-01-01T01:00:00+01:00", "2024-01-01 00:00:00Z", "soon", ""]
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    times, unit = seconds(_frame(cells), "x")
    assert times.to_list() == [881250949, 881250949.9, start, start, start, None, None]
    assert unit == "seconds"


@pytest.mark.parametrize(
    ("cells", "unit"),
    [
        (["1700000000000", "1700000000001"], "milliseconds"),
        (["1700000000000000", "1700000000001000"], "microseconds"),
        (["1700000000000000000", "1700000000001000000"], "nanoseconds"),
        ([1700000000000, 1700000000001], "milliseconds"),
        (["2023-11-14T22:13:20.000", "2023-11-14T22:13:20.001+00:00"], "seconds"),
        ([datetime(2023, 11, 14, 22, 13, 20), datetime(2023, 11, 14, 22, 13, 20, 1000)], "seconds"),
    ],
)
def test_seconds_keep_their_resolution(cells: list[object], unit: str) -> None:
    """A millisecond stays one, however the file writes it."""
    times, found = seconds(_frame(cells), "x")
    assert times.to_list() == pytest.approx([1700000000.0, 1700000000.001], abs=1e-6, rel=0)
    assert found == unit


def test_one_odd_number_does_not_change_the_unit() -> None:
    """The typical time says what the numbers count; a stray one is kept, in the same unit."""
    times, unit = seconds(_frame(["1700000000", "1700000001", "1700000002000"]), "x")
    assert (times.to_list(), unit) == ([1700000000, 1700000001, 1700000002000], "seconds")


def test_seconds_of_temporal_columns() -> None:
    """Dates and times of Parquet are seconds since 1970, in each of its units."""
    assert seconds(_frame([date(1970, 1, 2), None]), "x")[0].to_list() == [86400, None]
    for unit in ("ms", "us", "ns"):
        frame = _frame([datetime(1970, 1, 1, 0, 1, 0, 500_000), None], pl.Datetime(unit))
        assert seconds(frame, "x")[0].to_list() == [60.5, None]


def test_seconds_beyond_all_integers_are_null() -> None:
    """A time that no 64-bit number holds is a fault, not another time."""
    assert seconds(_frame(["1e300"]), "x")[0].to_list() == [None]


@pytest.mark.parametrize(
    ("read", "cells", "message"),
    [
        (texts, [["a"]], r"a\.csv: the column 'x' holds List\(String\), which is not a text; kind = \"list\""),
        (numbers, [date(2024, 1, 1)], r"the column 'x' holds Date, which is not a number"),
        (numbers, [[1]], r"which is not a text"),
        (seconds, [[1]], r"which is not a text"),
        (lambda frame, column: lists(frame, column, ","), [[["a"]]], r"which is not a list of texts"),
    ],
)
def test_other_types_are_refused(read: object, cells: list[object], message: str) -> None:
    """A column of a type that cannot be meant is refused with its name and its type."""
    assert callable(read)
    with pytest.raises(DataError, match=message):
        read(_frame(cells), "x")
