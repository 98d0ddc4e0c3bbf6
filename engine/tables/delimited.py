"""Text files with a header and one row a line: RecBole's atomic files, TSV and CSV.

They are parsed here rather than by a data frame's reader: only so is the line that a message names the right one, in a
CSV file whose quoted cells contain line breaks too, and only so is a row with a missing cell seen at all.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final

from emberline.engine.errors import DataError

from .compression import format_suffix
from .dialect import Dialect
from .lines import Note, check_columns, read_lines

#: RecBole's types of columns, written behind the column's name in the header.
ATOMIC_TYPES: Final = ("token", "token_seq", "float", "float_seq")
ATOMIC_SUFFIXES: Final = (".inter", ".item", ".user")

#: The line where a row begins, and its cells.
Row = tuple[int, list[str]]

#: In the order in which they are preferred.
_DELIMITERS: Final = ",;\t|"
#: Lines that show what stands between cells.
_SAMPLE: Final = 50
#: A cell may be an article's text; what the module allows by itself is 128 KiB. A C long holds this everywhere.
_CELL: Final = 2**31 - 1
#: Spreadsheets write the delimiter in front of the header, for themselves.
_SAID: Final = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE)


def read_rows(path: Path, columns: Sequence[str], dialect: Dialect, note: Note) -> tuple[list[str], Iterator[Row]]:
    """Open an atomic file, a TSV or a CSV file, by its suffix; anything else is read as CSV.

    Args:
        path: the file.
        columns: that it has to have.
        dialect: what is known of how it is written.
        note: told how it is read where it leaves a choice.

    Returns:
        The names of its columns, and its rows.

    Raises:
        DataError: the file cannot be read, lacks a column or has one of them twice.
    """
    suffix = format_suffix(path)
    lines = read_lines(path, note, dialect.encoding)
    if suffix in (*ATOMIC_SUFFIXES, ".tsv"):
        if dialect.delimiter not in (None, "\t"):
            raise DataError(f"{path}: cells of {suffix} files are separated by tabs; leave `delimiter` out")
        rows = _split(lines)
    else:
        rows = _parse(path, lines, columns, dialect.delimiter, note)
    line, header = next(rows, (0, None))
    if header is None:
        raise DataError(f"{path}: the file has blank lines only; it needs a header and rows")
    names = [cell.strip() for cell in header]
    if suffix in ATOMIC_SUFFIXES:
        names = [_untyped(path, line, name) for name in names]
    check_columns(path, columns, names)
    return names, rows


def misfit(path: Path, row: Row, names: Sequence[str]) -> str:
    """What is wrong with a row that has another number of cells than the header; empty if nothing is.

    Cells too many that are empty are left by spreadsheets, and are no fault.
    """
    line, cells = row
    if len(cells) == len(names) or (len(cells) > len(names) and not any(cells[len(names) :])):
        return ""
    return f"{path.name}:{line}: {len(cells)} cells where the header has {len(names)}"


def _split(lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        if text:
            yield number, text.split("\t")


def _parse(
    path: Path, lines: Iterator[str], columns: Sequence[str], delimiter: str | None, note: Note
) -> Iterator[Row]:
    """The rows by RFC 4180: a cell in double quotes may hold delimiters, line breaks and "" for "."""
    csv.field_size_limit(_CELL)
    sample = list(islice(lines, _SAMPLE))
    skipped = 0
    if delimiter is None and sample and (said := _SAID.fullmatch(sample[0])):
        delimiter, sample, skipped = said[1], sample[1:], 1
    elif delimiter is None:
        delimiter = _likely_delimiter(sample, columns)
        if delimiter != ",":
            note(f"{path.name}: cells are separated by {delimiter!r}; that is a guess: `delimiter` says it for certain")
    yield from _rows(path, chain(sample, lines), delimiter, skipped, note)


def _rows(path: Path, lines: Iterator[str], delimiter: str, number: int, note: Note) -> Iterator[Row]:
    """The rows, and of those with a quote where none may be, what a lenient reader makes of them."""
    taken: list[str] = []
    stray: list[int] = []

    def recorded() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    reader = csv.reader(recorded(), delimiter=delimiter, strict=True)
    while True:
        line = number + 1
        taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if "expected after" not in str(error):
                # A quote that is never closed swallows the rest of the file: there is no row to go on from.
                raise DataError(f"{path}:{line}: not CSV: {error}; double or close the quotes of this row") from error
            cells = _lenient(taken, lines, delimiter)
            stray.append(line)
            reader = csv.reader(recorded(), delimiter=delimiter, strict=True)
        number += len(taken)
        if cells:
            yield line, cells
    if stray:
        note(
            f"{path.name}: {len(stray):,} rows have a single quote within a quoted cell; it is left out (e.g. "
            f"{path.name}:{stray[0]})"
        )


def _lenient(taken: list[str], lines: Iterator[str], delimiter: str) -> list[str]:
    """The row that some lines begin; lines that it needs more are taken, too."""
    before = list(taken)

    def going_on() -> Iterator[str]:
        yield from before
        for line in lines:
            taken.append(line)
            yield line

    return next(csv.reader(going_on(), delimiter=delimiter), [])


def _likely_delimiter(sample: Sequence[str], columns: Sequence[str]) -> str:
    """What makes the most of the columns that a file has to have, and then the most rows as long as its header."""

    def fit(delimiter: str) -> tuple[int, int]:
        rows = [row for row in csv.reader(sample, delimiter=delimiter) if row]
        header = [cell.strip() for cell in rows[0]] if rows else []
        alike = sum(len(row) == len(header) for row in rows) if len(header) > 1 else 0
        return sum(column in header for column in columns), alike

    return max(_DELIMITERS, key=fit)


def _untyped(path: Path, line: int, cell: str) -> str:
    """A column's name without its type, as the header of an atomic file has it."""
    name, _, kind = cell.rpartition(":")
    if not name or kind not in ATOMIC_TYPES:
        raise DataError(
            f"{path}:{line}: the header has {cell!r}, but in an atomic file it is name:type, with a type of "
            f"{', '.join(ATOMIC_TYPES)}"
        )
    return name
