"""Text files as data frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from emberline.engine.errors import DataError
from emberline.engine.tables.cells import Cell
from emberline.engine.tables.delimited import misfit, read_rows
from emberline.engine.tables.dialect import Dialect
from emberline.engine.tables.jsonl import cell, parse_object
from emberline.engine.tables.lines import check_columns, read_lines

from .frame import Frame
from .report import Fault, ProblemCollector

#: Rows held as Python objects at a time; beyond that they rest in columns, an order of magnitude smaller.
CHUNK = 100_000


def read_delimited(path: Path, columns: Sequence[str], findings: ProblemCollector, dialect: Dialect) -> Frame:
    """Read an atomic file, a TSV or a CSV file; its cells are texts."""
    names, rows = read_rows(path, columns, dialect, findings.note)
    places = [names.index(column) for column in columns]
    schema = dict.fromkeys(columns, pl.String)
    parts: list[pl.DataFrame] = []
    cells: list[list[str]] = []
    lines: list[int] = []
    malformed: list[str] = []
    for row in rows:
        if wrong := misfit(path, row, names):
            malformed.append(wrong)
            continue
        lines.append(row[0])
        cells.append([row[1][place] for place in places])
        if len(cells) == CHUNK:
            parts.append(pl.DataFrame(cells, schema=schema, orient="row"))
            cells = []
    parts.append(pl.DataFrame(cells, schema=schema, orient="row"))
    _count(path, findings, len(lines), malformed)
    return Frame(path, pl.concat(parts), np.asarray(lines, dtype=np.int64))


def read_jsonl(path: Path, columns: Sequence[str], findings: ProblemCollector, dialect: Dialect) -> Frame:
    """Read a JSONL file; a column is there if an object has the key, and the others have an empty cell in it."""
    cells: dict[str, list[Cell]] = {column: [] for column in columns}
    keys: dict[str, None] = {}
    lines: list[int] = []
    malformed: list[str] = []
    for number, line in enumerate(read_lines(path, findings.note, dialect.encoding), start=1):
        if not line.strip():
            continue
        try:
            values = parse_object(line)
            row = [cell(values.get(column)) for column in columns]
        except ValueError as error:
            malformed.append(f"{path.name}:{number}: {error}")
            continue
        keys |= dict.fromkeys(values)
        lines.append(number)
        for column, value in zip(columns, row, strict=True):
            cells[column].append(value)
    _count(path, findings, len(lines), malformed)
    if lines:
        check_columns(path, columns, list(keys))
    data = pl.DataFrame([_series(column, cells[column]) for column in columns])
    return Frame(path, data, np.asarray(lines, dtype=np.int64))


def read_parquet(
    path: Path,
    columns: Sequence[str],
    findings: ProblemCollector,
    dialect: Dialect,  # noqa: ARG001  # as of the others
) -> Frame:
    """Read a Parquet file; its cells have their own types."""
    try:
        check_columns(path, columns, list(pl.read_parquet_schema(path)))
        data = pl.read_parquet(path, columns=list(columns))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # polars panics at some damaged files
        raise DataError(f"{path}: not a Parquet file that can be read: {error}") from error
    findings.rows[path.name] = data.height
    return Frame(path, data.select(columns), np.arange(1, data.height + 1))


def _count(path: Path, findings: ProblemCollector, read: int, malformed: list[str]) -> None:
    findings.rows[path.name] = read + len(malformed)
    findings.add(Fault.MALFORMED_ROW, path, len(malformed), malformed, of=read + len(malformed))


def _series(column: str, cells: list[Cell]) -> pl.Series:
    if not any(isinstance(cell, list) for cell in cells):
        return pl.Series(column, cells, dtype=pl.String)
    return pl.Series(column, [[cell] if isinstance(cell, str) else cell for cell in cells], dtype=pl.List(pl.String))
