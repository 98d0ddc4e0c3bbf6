"""The lines of a text file, and what all text formats check alike."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from emberline.engine.errors import DataError

from .compression import DAMAGED, damaged, open_bytes
from .encoding import FoundEncoding, decode_latin, decode_mixed, find_encoding

#: Told in a sentence how a file is read where it leaves a choice.
Note = Callable[[str], None]

_START: Final = 512
#: A carriage return within a line of a file whose lines end otherwise.
_STRAY: Final = re.compile(r"\r(?!\n|$)")


def read_lines(path: Path, note: Note, encoding: str | None = None) -> Iterator[str]:
    r"""The lines of a file, each with its line end: ``\n``, ``\r\n``, or ``\r`` if the first line ends so.

    Args:
        path: the file; it may be compressed.
        note: told if the file is not UTF-8.
        encoding: None: look at the file.

    Raises:
        DataError: the file cannot be read, or is not in the encoding that was given.
    """
    found = FoundEncoding(encoding) if encoding else _examine(path)
    if found.name != "utf-8" and not encoding:
        guess = "; that is a guess: name its `encoding` if letters look wrong" if found.guessed else ""
        note(f"{path.name} is read as {found.name}{guess}")
    mixed: list[int] = []
    number = 0
    try:
        for number, line in enumerate(_decoded(path, found, mixed), start=1):
            yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number + 1}: not {found.name} ({error.reason} at byte {error.start + 1} of the line); name the "
            "file's `encoding` in the data-set description, or leave it out and it is looked up in the file"
        ) from error
    except DAMAGED as error:
        raise _unreadable(path, error) from error
    if mixed:
        note(
            f"{path.name} is UTF-8, but bytes of {len(mixed):,} lines are not: they are read as cp1252 (e.g. "
            f"{path.name}:{mixed[0]})"
        )


def _examine(path: Path) -> FoundEncoding:
    try:
        with open_bytes(path) as file:
            start = file.read(_START)
        with open_bytes(path) as file:
            return find_encoding(start, file)
    except DAMAGED as error:
        raise _unreadable(path, error) from error


def _decoded(path: Path, found: FoundEncoding, mixed: list[int]) -> Iterator[str]:
    with open_bytes(path) as file:
        if found.wide:
            with io.TextIOWrapper(file, encoding=found.name, newline="") as text:
                yield from text
            return
        number = 0
        old_ends = False
        for raw in file:
            line = _decode(raw, found)
            if found.mixed and not _is_utf8(raw):
                mixed.append(number + 1)
            if not number:
                old_ends = bool(re.match(r"[^\r\n]*\r(?!\r*\n)", line))
            for part in io.StringIO(line, newline="") if old_ends else (_STRAY.sub(" ", line),):
                number += 1
                yield part


def _decode(raw: bytes, found: FoundEncoding) -> str:
    if found.mixed:
        return decode_mixed(raw)
    if found.guessed and found.name == "cp1252":
        return decode_latin(raw)
    return raw.decode(found.name, errors="replace" if found.guessed else "strict")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(path: Path, error: Exception) -> DataError:
    if damaged(error):
        return DataError(f"{path}: the compressed file is damaged or cut off ({error}); fetch it again")
    return DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")


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
