"""The lines of a text file, and what all text formats check alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from emberline.engine.errors import DataError


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, their line ends kept.

    Raises:
        DataError: a line is not UTF-8.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                # A byte order mark, as spreadsheets write it, is no part of the first column's name.
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}:{number}: not UTF-8 at byte {error.start + 1} of the line; save the file as UTF-8"
                ) from error


def check_columns(path: Path, columns: Sequence[str], found: Sequence[str]) -> None:
    """Check that a file has the columns that are asked of it.

    Raises:
        DataError: it lacks one, or has one of them twice.
    """
    for column in columns:
        if column not in found:
            raise DataError(
                f"{path}: there is no column {column!r}; the columns are {', '.join(map(repr, found))}. "
                "Name one of these in the data-set description"
            )
        if found.count(column) > 1:
            raise DataError(f"{path}: the column {column!r} occurs twice; rename one of them")
