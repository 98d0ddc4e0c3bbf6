"""JSONL files: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from .frame import Frame
from .lines import check_columns, read_lines
from .report import Fault, ProblemCollector

Cell = str | list[str] | None


def read_jsonl(path: Path, columns: Sequence[str], findings: ProblemCollector) -> Frame:
    """Read a JSONL file; a column is there if an object has the key, and the others have an empty cell in it."""
    cells: dict[str, list[Cell]] = {column: [] for column in columns}
    keys: dict[str, None] = {}
    lines: list[int] = []
    malformed: list[str] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            if not isinstance(values, dict):
                raise ValueError("not an object, {…}")
            row = [_cell(values.get(column)) for column in columns]
        except (ValueError, RecursionError) as error:  # broken JSON, or what `_cell` refuses
            malformed.append(f"{path.name}:{number}: {error}")
            continue
        keys |= dict.fromkeys(values)
        lines.append(number)
        for column, cell in zip(columns, row, strict=True):
            cells[column].append(cell)
    findings.rows[path.name] = len(lines) + len(malformed)
    findings.add(Fault.MALFORMED_ROW, path, len(malformed), malformed)
    if lines:
        check_columns(path, columns, list(keys))
    data = pl.DataFrame([_series(column, cells[column]) for column in columns])
    return Frame(path, data, np.asarray(lines, dtype=np.int64))


def _cell(value: object) -> Cell:
    match value:
        case None:
            return None
        case str():
            value.encode()  # half of a surrogate pair, which JSON can escape, is no text: a ValueError
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list():
            entries = [_cell(entry) for entry in value]
            if any(isinstance(entry, list) for entry in entries):
                raise ValueError("a list within a list")
            return [entry for entry in entries if isinstance(entry, str)]
        case _:
            raise ValueError("an object within the object")


def _series(column: str, cells: list[Cell]) -> pl.Series:
    if not any(isinstance(cell, list) for cell in cells):
        return pl.Series(column, cells, dtype=pl.String)
    return pl.Series(column, [[cell] if isinstance(cell, str) else cell for cell in cells], dtype=pl.List(pl.String))
