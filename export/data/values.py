"""Columns of a file as texts, numbers, lists and times; what cannot be read becomes null."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import polars as pl

from emberline.engine.errors import DataError

from .frame import Frame

#: Units of numbers that are times, and how many of each a second has.
UNITS: Final = (("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
_TICKS: Final = {"ms": 1e3, "us": 1e6, "ns": 1e9}
#: In seconds since 1970: beyond it, nanoseconds do not fit into 64 bits.
_YEAR_2262: Final = 9.2e9
#: A number beyond 64 bits is no time.
_LARGEST: Final = 2.0**63


def texts(frame: Frame, column: str, missing: Sequence[str] = ()) -> pl.Series:
    """(R,) texts without white space around them; null where there is none.

    Args:
        frame: R rows.
        column: its name.
        missing: texts that stand for none.

    Raises:
        DataError: the column holds lists or structures.
    """
    series = frame.data[column]
    _refuse(frame, column, series.dtype.is_nested() or series.dtype == pl.Binary, 'a text; kind = "list" reads lists')
    text = series.cast(pl.String).str.strip_chars()
    return text.set(text.is_in(["", *missing]), None)


def numbers(frame: Frame, column: str, missing: Sequence[str] = ()) -> tuple[pl.Series, pl.Series]:
    """Numbers, and whether a cell has something else.

    Args:
        frame: R rows.
        column: its name.
        missing: texts that stand for none.

    Returns:
        (R,) floats, null where there is none or it is not finite; (R,) bool, whether there is something that is no
        finite number.

    Raises:
        DataError: the column holds lists, structures or times.
    """
    series = frame.data[column]
    _refuse(frame, column, series.dtype.is_temporal(), "a number")
    given = texts(frame, column, missing)
    number = series.cast(pl.Float64) if series.dtype.is_numeric() else given.cast(pl.Float64, strict=False)
    number = number.set(given.is_null() | ~number.is_finite().fill_null(value=False), None)
    return number, given.is_not_null() & number.is_null()


def lists(frame: Frame, column: str, separator: str, missing: Sequence[str] = ()) -> pl.Series:
    """(R,) lists of different texts, in the file's order; null where there is none.

    Args:
        frame: R rows.
        column: its name.
        separator: between the entries where a cell is one text.
        missing: entries that stand for none.

    Raises:
        DataError: the column holds structures, or lists of them.
    """
    series = frame.data[column]
    if isinstance(series.dtype, pl.List):
        _refuse(frame, column, series.dtype.inner.is_nested(), "a list of texts")
        entries = series.cast(pl.List(pl.String))
    else:
        entries = texts(frame, column).str.split(separator)
    table = pl.DataFrame({"entries": entries}).select(
        pl.col("entries")
        .list.eval(pl.element().str.strip_chars())
        .list.eval(pl.element().filter(pl.element().is_not_null() & ~pl.element().is_in(["", *missing])))
        .list.unique(maintain_order=True)
    )
    cleaned = table["entries"]
    return cleaned.set(cleaned.list.len() == 0, None)


def seconds(frame: Frame, column: str) -> tuple[pl.Series, str]:
    """Times in seconds, with the resolution that the file gives them.

    An ISO 8601 text and a Parquet date are seconds since 1970, in UTC where they name no zone. A number counts the unit
    in which the column's typical value lies before the year 2262: seconds, milliseconds, microseconds or nanoseconds.

    Returns:
        (R,) floats, null where there is none; the unit of the numbers.

    Raises:
        DataError: the column holds lists or structures.
    """
    series = frame.data[column]
    if series.dtype == pl.Date:
        return series.dt.epoch("s").cast(pl.Float64), UNITS[0][0]
    if isinstance(series.dtype, pl.Datetime):
        return _quotient(series.dt.timestamp(series.dtype.time_unit), _TICKS[series.dtype.time_unit]), UNITS[0][0]
    number, other = numbers(frame, column)
    given = texts(frame, column).filter(other).unique()
    moments = {text: _moment(text) for text in given}
    parsed = texts(frame, column).replace_strict(moments, default=None, return_dtype=pl.Float64)
    number = number.set(number.abs() >= _LARGEST, None)
    unit, size = _unit(number)
    return _quotient(number, size).fill_null(parsed), unit


def _quotient(number: pl.Series, size: float) -> pl.Series:
    # By NumPy, which rounds once: polars multiplies by the reciprocal, and half a second becomes a little more.
    return pl.Series(number.name, number.cast(pl.Float64).to_numpy() / size).fill_nan(None)


def _unit(number: pl.Series) -> tuple[str, float]:
    typical = number.abs().median()
    fitting = (unit for unit in UNITS if not isinstance(typical, float) or typical / unit[1] < _YEAR_2262)
    return next(fitting, UNITS[-1])


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _refuse(frame: Frame, column: str, wrong: bool, right: str) -> None:
    if wrong:
        raise DataError(f"{frame.path}: the column {column!r} holds {frame.data[column].dtype}, which is not {right}")
