"""Text files with a header and one row per line: RecBole's atomic files, TSV and CSV.

They are parsed here and not by a data-frame library, for two reasons: messages name the right line even if quoted cells
of a CSV file contain line breaks, and rows with a missing cell are noticed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final

from emberline.engine.errors import DataError

from .compression import format_suffix
from .dialect import Dialect
from .lines import Note, check_columns, read_lines

#: RecBole's column types, which follow the column's name in the header.
ATOMIC_TYPES: Final = ("token", "token_seq", "float", "float_seq")
ATOMIC_SUFFIXES: Final = (".inter", ".item", ".user")

#: The line on which a row begins, and its cells.
Row = tuple[int, list[str]]

#: Delimiters in the order of preference.
_DELIMITERS: Final = (",", ";", "\t", "|", "^", "::", ":")
#: Number of lines from which the delimiter is guessed.
_SAMPLE: Final = 50
#: Maximum size of a cell. The csv module's default, 128 KiB, is too small for articles; this fits into every C long.
_CELL: Final = 2**31 - 1
#: A line before the header in which some spreadsheets name the delimiter.
_DELIMITER_LINE: Final = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE)


def read_rows(path: Path, columns: Sequence[str], dialect: Dialect, note: Note) -> tuple[list[str], Iterator[Row]]:
    """Open an atomic file, a TSV or a CSV file, by its suffix. Other suffixes are read as CSV.

    Args:
        path: the file.
        columns: required columns.
        dialect: known properties of the file.
        note: called with a sentence for each assumption about the file.

    Returns:
        The names of the columns, and the rows.

    Raises:
        DataError: the file cannot be read, lacks a required column or has it twice.
    """
    suffix = format_suffix(path)
    lines = read_lines(path, note, dialect.encoding)
    if suffix in (*ATOMIC_SUFFIXES, ".tsv"):
        if dialect.delimiter not in (None, "\t"):
            raise DataError(f"{path}: cells of {suffix} files are separated by tabs; leave `delimiter` out")
        rows = _split(enumerate(lines, start=1), "\t")
    else:
        rows = _parse(path, lines, columns, dialect.delimiter, note)
    line, header = next(rows, (0, None))
    if header is None:
        raise DataError(f"{path}: the file has only blank lines; it needs a header and rows")
    names = [cell.strip() for cell in header]
    if suffix in ATOMIC_SUFFIXES:
        names = [_untyped(path, line, name) for name in names]
    check_columns(path, columns, names)
    return names, rows


def misfit(path: Path, row: Row, names: Sequence[str]) -> str:
    """Describe the mismatch between a row and the header; empty if the numbers of cells agree.

    Additional empty cells, which spreadsheets leave, are not a mismatch.
    """
    line, cells = row
    if len(cells) == len(names) or (len(cells) > len(names) and not any(cells[len(names) :])):
        return ""
    return f"{path.name}:{line}: {len(cells)} cells where the header has {len(names)}"


def _split(lines: Iterable[tuple[int, str]], delimiter: str) -> Iterator[Row]:
    """Split numbered lines in which quotes have no meaning."""
    for number, line in lines:
        text = line.rstrip("\r\n")
        if text:
            yield number, text.split(delimiter)


def _parse(
    path: Path, lines: Iterator[str], columns: Sequence[str], delimiter: str | None, note: Note
) -> Iterator[Row]:
    """Parse rows by RFC 4180: a cell in double quotes may contain delimiters, line breaks and "" for ".

    Quotes have no meaning if the delimiter is ``::``, as in the .dat files of MovieLens.
    """
    csv.field_size_limit(_CELL)
    sample = list(islice(lines, _SAMPLE))
    skipped = 0
    if delimiter is None and sample and (match := _DELIMITER_LINE.fullmatch(sample[0])):
        delimiter, sample, skipped = match[1], sample[1:], 1
    elif delimiter is None:
        delimiter = _likely_delimiter(sample, columns)
        if delimiter != ",":
            note(f"{path.name}: cells are separated by {delimiter!r}; that is a guess: set `delimiter` if it is wrong")
    if len(delimiter) > 1:
        yield from _split(enumerate(chain(sample, lines), start=skipped + 1), delimiter)
    else:
        yield from _rows(path, chain(sample, lines), delimiter, skipped, note)


def _rows(path: Path, lines: Iterator[str], delimiter: str, number: int, note: Note) -> Iterator[Row]:
    """Parse rows strictly, and rows with a misplaced quote leniently."""
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
                # A quote that is never closed swallows the rest of the file, so there is no next row.
                raise DataError(f"{path}:{line}: not CSV: {error}; double or close the quotes of this row") from error
            cells = _lenient(taken, lines, delimiter)
            stray.append(line)
            reader = csv.reader(recorded(), delimiter=delimiter, strict=True)
        number += len(taken)
        if cells:
            yield line, cells
    if stray:
        note(
            f"{path.name}: {len(stray):,} rows have an unescaped quote within a quoted cell, which is left out (e.g. "
            f"{path.name}:{stray[0]})"
        )


def _lenient(taken: list[str], lines: Iterator[str], delimiter: str) -> list[str]:
    """Parse the row that begins with these lines leniently. Further lines that it needs are taken as well."""
    before = list(taken)

    def continued() -> Iterator[str]:
        yield from before
        for line in lines:
            taken.append(line)
            yield line

    return next(csv.reader(continued(), delimiter=delimiter), [])


def _likely_delimiter(sample: Sequence[str], columns: Sequence[str]) -> str:
    """Guess the delimiter: the one with the most required columns, and then the most rows as long as the header."""

    def fit(delimiter: str) -> tuple[int, int]:
        if len(delimiter) > 1:
            rows = [cells for _, cells in _split(enumerate(sample, start=1), delimiter)]
        else:
            rows = [row for row in csv.reader(sample, delimiter=delimiter) if row]
        header = [cell.strip() for cell in rows[0]] if rows else []
        alike = sum(len(row) == len(header) for row in rows) if len(header) > 1 else 0
        return sum(column in header for column in columns), alike

    return max(_DELIMITERS, key=fit)


def _untyped(path: Path, line: int, cell: str) -> str:
    """Return a column's name without its type, which the header of an atomic file has."""
    name, _, kind = cell.rpartition(":")
    if not name or kind not in ATOMIC_TYPES:
        raise DataError(
            f"{path}:{line}: the header has {cell!r}; a column of an atomic file is name:type, where the type is one "
            f"of {', '.join(ATOMIC_TYPES)}"
        )
    return name
