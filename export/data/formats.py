"""The file formats, by suffix: each reads the columns that are asked for into a `Frame`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from emberline.engine.errors import DataError
from emberline.engine.tables.compression import SUFFIXES, format_suffix
from emberline.engine.tables.dialect import LOOK, Dialect

from .frame import Frame
from .report import ProblemCollector
from .tables import read_delimited, read_jsonl, read_parquet


def load(
    path: Path,
    columns: Sequence[str],
    findings: ProblemCollector,
    dialect: Dialect = LOOK,
    *,
    may_be_empty: bool = False,
) -> Frame:
    """Read the given columns of a file; its suffix says its format.

    Args:
        path: the file; a text file may be compressed.
        columns: as the file calls them; what occurs twice is read once.
        findings: takes the number of rows, those that cannot be parsed, and how the file was read.
        dialect: how a text file is written; what it leaves open is looked up in the file.
        may_be_empty: whether the file may have columns with names and no rows.

    Raises:
        DataError: the file is missing, empty, of no known format, lacks a column or has no usable row.
    """
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; name a file in the data-set description")
    if not path.is_file():
        there = sorted(entry.name for entry in path.parent.glob("*") if entry.is_file())
        raise DataError(f"{path}: there is no such file; the folder has {', '.join(there) or 'none'}")
    reader = FORMATS.get(format_suffix(path))
    if reader is None:
        raise DataError(
            f"{path}: the suffix {path.suffix!r} is no known format; the known ones are {', '.join(FORMATS)}, and "
            f"compressed {', '.join(SUFFIXES)}"
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; it needs columns with names, and rows")
    frame = reader(path, tuple(dict.fromkeys(columns)), findings, dialect)
    if not len(frame) and not (may_be_empty and not findings.rows[path.name]):
        raise DataError(f"{path}: the file has no usable row. {findings.describe() or 'Add rows below its header'}")
    return frame


FORMATS: Mapping[str, Callable[[Path, Sequence[str], ProblemCollector, Dialect], Frame]] = MappingProxyType(
    {
        ".inter": read_delimited,
        ".item": read_delimited,
        ".user": read_delimited,
        ".csv": read_delimited,
        ".tsv": read_delimited,
        ".jsonl": read_jsonl,
        ".parquet": read_parquet,
    }
)
