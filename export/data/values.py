"""Columns of a file as texts, numbers, lists and times; what cannot be read becomes null."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import polars as pl

from emberline.engine.errors import DataError
from emberline.engine.tables import cells
from emberline.engine.tables.lines import Note

from .frame import Frame

#: Units of numbers that are times, and how many of each a second has.
UNITS: Final = (("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
_TICKS: Final = {"ms": 1e3, "us": 1e6, "ns": 1e9}
#: In seconds since 1970: beyond it, nanoseconds do not fit into 64 bits.
_YEAR_2262: Final = 9.2e9
#: A number beyond 64 bits is no time.
_LARGEST: Final = 2.0**63


def texts(frame: Frame, column: str, missing: Sequence[str] = (), *, html: bool = False) -> pl.Series:
    """(R,) texts without white space around them; null where there is none.

    Args:
        frame: R rows.
        column: its name.
        missing: texts that stand for none.
        html: whether to take tags out and to resolve entities.

    Raises:
        DataError: the column holds lists or structures.
    """
    series = frame.data[column]
    _refuse(frame, column, series.dtype.is_nested() or series.dtype == pl.Binary, 'a text; kind = "list" reads lists')
    given = series.cast(pl.String)
    return pl.Series(column, [cells.text(cell, missing, html=html) for cell in given], dtype=pl.String)


def numbers(frame: Frame, column: str, missing: Sequence[str] = (), decimal: str = ".") -> tuple[pl.Series, pl.Series]:
    """Numbers, and whether a cell has something else.

    Args:
        frame: R rows.
        column: its name.
        missing: texts that stand for none.
        decimal: the decimal mark of numbers that are texts.

    Returns:
        (R,) floats, null where there is none or it is not finite; (R,) bool, whether there is something that is no
        finite number.

    Raises:
        DataError: the column holds lists, structures or times.
    """
    series = frame.data[column]
    _refuse(frame, column, series.dtype.is_temporal(), "a number")
    given = texts(frame, column, missing)
    if series.dtype.is_numeric():
        number = series.cast(pl.Float64)
        number = number.set(given.is_null() | ~number.is_finite().fill_null(value=False), None)
    else:
        found = {text: cells.number(text, decimal) for text in given.drop_nulls().unique()}
        number = pl.Series(column, [None if text is None else found[text] for text in given], dtype=pl.Float64)
    return number, given.is_not_null() & number.is_null()


def decimal_mark(frame: Frame, column: str, note: Note, missing: Sequence[str] = ()) -> str:
    """The decimal mark of a column's numbers, by what they look like; a comma is told."""
    if frame.data[column].dtype != pl.String:
        return "."
    found = cells.likely_decimal(texts(frame, column, missing).drop_nulls().unique(maintain_order=True))
    if found == ",":
        note(f"{frame.path.name}: {column} has a decimal comma; that is a guess: `decimal` says it for certain")
    return found


def lists(frame: Frame, column: str, separator: str, missing: Sequence[str] = (), *, html: bool = False) -> pl.Series:
    """(R,) lists of different texts, in the file's order; null where there is none.

    Args:
        frame: R rows.
        column: its name.
        separator: between the entries where a cell is one text.
        missing: entries that stand for none.
        html: whether to take tags out and to resolve entities.

    Raises:
        DataError: the column holds structures, or lists of them.
    """
    series = frame.data[column]
    if isinstance(series.dtype, pl.List):
        _refuse(frame, column, series.dtype.inner.is_nested(), "a list of texts")
        given = series.cast(pl.List(pl.String)).to_list()
    else:
        given = texts(frame, column).to_list()
    found = [
        cells.entries(
            [e for e in cell if e is not None] if isinstance(cell, list) else cell, separator, missing, html=html
        )
        for cell in given
    ]
    return pl.Series(column, found, dtype=pl.List(pl.String))


def seconds(frame: Frame, column: str, decimal: str = ".") -> tuple[pl.Series, str]:
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
    number, other = numbers(frame, column, decimal=decimal)
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
