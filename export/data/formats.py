"""The file formats, by suffix: each reads the columns that are asked for into a `Frame`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from emberline.engine.errors import DataError

from .delimited import read_atomic, read_csv, read_tsv
from .frame import Frame
from .jsonl import read_jsonl
from .lines import check_columns
from .report import ProblemCollector


def load(path: Path, columns: Sequence[str], findings: ProblemCollector, *, may_be_empty: bool = False) -> Frame:
    """Read the given columns of a file; its suffix says its format.

    Args:
        path: the file.
        columns: as the file calls them; what occurs twice is read once.
        findings: takes the number of rows, and those that cannot be parsed.
        may_be_empty: whether the file may have columns with names and no rows.

    Raises:
        DataError: the file is missing, empty, of no known format, not UTF-8, lacks a column or has no usable row.
    """
    if not path.is_file():
        there = sorted(entry.name for entry in path.parent.glob("*") if entry.is_file())
        raise DataError(f"{path}: there is no such file; the folder has {', '.join(there) or 'none'}")
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: the suffix {path.suffix!r} is no known format; the known ones are {', '.join(FORMATS)}"
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; it needs columns with names, and rows")
    frame = reader(path, tuple(dict.fromkeys(columns)), findings)
    if not len(frame) and not (may_be_empty and not findings.rows[path.name]):
        raise DataError(f"{path}: the file has no usable row. {findings.describe()}".rstrip())
    return frame


def read_parquet(path: Path, columns: Sequence[str], findings: ProblemCollector) -> Frame:
    """Read a Parquet file."""
    try:
        check_columns(path, columns, list(pl.read_parquet_schema(path)))
        data = pl.read_parquet(path, columns=list(columns))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # polars panics at some damaged files
        raise DataError(f"{path}: not a Parquet file that can be read: {error}") from error
    findings.rows[path.name] = data.height
    return Frame(path, data.select(columns), np.arange(1, data.height + 1))


FORMATS: Mapping[str, Callable[[Path, Sequence[str], ProblemCollector], Frame]] = MappingProxyType(
    {
        ".inter": read_atomic,
        ".item": read_atomic,
        ".user": read_atomic,
        ".csv": read_csv,
        ".tsv": read_tsv,
        ".jsonl": read_jsonl,
        ".parquet": read_parquet,
    }
)
