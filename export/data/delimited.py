"""Text files with a header and one row a line: RecBole's atomic files, TSV and CSV.

They are parsed here rather than by polars: only so is the line that a message names the right one, in a CSV file whose
quoted cells contain line breaks too, and only so is a row with a missing cell seen at all.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from emberline.engine.errors import DataError

from .frame import Frame
from .lines import check_columns, read_lines
from .report import Fault, ProblemCollector

#: Rows held as Python objects at a time; beyond that they rest in columns, an order of magnitude smaller.
CHUNK = 100_000

#: RecBole's types of columns, written behind the column's name in the header.
ATOMIC_TYPES = ("token", "token_seq", "float", "float_seq")

#: The line where a row begins, and its cells.
Row = tuple[int, list[str]]


def read_atomic(path: Path, columns: Sequence[str], findings: ProblemCollector) -> Frame:
    """Read a RecBole atomic file: tab-separated, without quotes, each column of the header as ``name:type``."""
    return _read(path, columns, findings, _untyped(path, _split(path)))


def read_tsv(path: Path, columns: Sequence[str], findings: ProblemCollector) -> Frame:
    """Read a tab-separated file; as IANA registered the format, a quote is a character like any other."""
    return _read(path, columns, findings, _split(path))


def read_csv(path: Path, columns: Sequence[str], findings: ProblemCollector) -> Frame:
    """Read a comma-separated file by RFC 4180: a cell in double quotes may hold commas, line breaks and "" for "."""
    return _read(path, columns, findings, _parse(path))


def _read(path: Path, columns: Sequence[str], findings: ProblemCollector, rows: Iterator[Row]) -> Frame:
    header = next(rows, None)
    if header is None:
        raise DataError(f"{path}: the file has blank lines only; it needs a header and rows")
    found = [cell.strip() for cell in header[1]]
    check_columns(path, columns, found)
    places = [found.index(column) for column in columns]
    schema = dict.fromkeys(columns, pl.String)
    parts: list[pl.DataFrame] = []
    cells: list[list[str]] = []
    lines: list[int] = []
    malformed: list[str] = []
    for line, row in rows:
        if len(row) != len(found):
            malformed.append(f"{path.name}:{line}: {len(row)} cells where the header has {len(found)}")
            continue
        lines.append(line)
        cells.append([row[place] for place in places])
        if len(cells) == CHUNK:
            parts.append(pl.DataFrame(cells, schema=schema, orient="row"))
            cells = []
    parts.append(pl.DataFrame(cells, schema=schema, orient="row"))
    findings.rows[path.name] = len(lines) + len(malformed)
    findings.add(Fault.MALFORMED_ROW, path, len(malformed), malformed)
    return Frame(path, pl.concat(parts), np.asarray(lines, dtype=np.int64))


def _split(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_lines(path), start=1):
        text = line.rstrip("\r\n")
        if text:
            yield number, text.split("\t")


def _parse(path: Path) -> Iterator[Row]:
    reader = csv.reader(read_lines(path), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # A quote that is never closed swallows the rest of the file: there is no row to go on from.
            raise DataError(f"{path}:{line}: not CSV: {error}; double or close the quotes of this row") from error
        if cells:
            yield line, cells


def _untyped(path: Path, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of an atomic file, its header's types checked and removed."""
    for line, header in islice(rows, 1):
        names = []
        for cell in header:
            name, _, kind = cell.strip().rpartition(":")
            if not name or kind not in ATOMIC_TYPES:
                raise DataError(
                    f"{path}:{line}: the header has {cell!r}, but in an atomic file it is name:type, "
                    f"with a type of {', '.join(ATOMIC_TYPES)}"
                )
            names.append(name)
        yield line, names
    yield from rows
