"""The lines of a text file, and the checks that all text formats share."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from emberline.engine.errors import DataError

from .binary import binary
from .compression import DAMAGED, damaged, open_bytes
from .encoding import DetectedEncoding, decode_latin, decode_mixed, detect_encoding

#: Called with a sentence for each assumption about a file.
Note = Callable[[str], None]

_START: Final = 512
#: A carriage return within a line.
_STRAY: Final = re.compile(r"\r(?!\n|$)")


def read_lines(path: Path, note: Note, encoding: str | None = None) -> Iterator[str]:
    r"""Yield the lines of a file, each with its line end: ``\n``, ``\r\n``, or ``\r`` if the first line ends with it.

    Args:
        path: the file; it may be compressed.
        note: called if the file is not UTF-8.
        encoding: name of the encoding; None: detect it.

    Raises:
        DataError: the file cannot be read, or is not in this encoding.
    """
    detected = DetectedEncoding(encoding) if encoding else _examine(path)
    if detected.name != "utf-8" and not encoding:
        guess = "; that is a guess: set `encoding` if letters look wrong" if detected.guessed else ""
        note(f"{path.name} is read as {detected.name}{guess}")
    mixed: list[int] = []
    number = 0
    try:
        for number, line in enumerate(_decoded(path, detected, mixed), start=1):
            yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number + 1}: not {detected.name} ({error.reason} at byte {error.start + 1} of the line); name "
            "the file's `encoding` in the data-set description, or leave it out to have it detected"
        ) from error
    except DAMAGED as error:
        raise _unreadable(path, error) from error
    if mixed:
        note(
            f"{path.name} is UTF-8, but bytes of {len(mixed):,} lines are not: they are read as cp1252 (e.g. "
            f"{path.name}:{mixed[0]})"
        )


def _examine(path: Path) -> DetectedEncoding:
    try:
        with open_bytes(path) as file:
            start = file.read(_START)
        with open_bytes(path) as file:
            detected = detect_encoding(start, file)
    except DAMAGED as error:
        raise _unreadable(path, error) from error
    if what := binary(start, wide=detected.wide):
        raise DataError(f"{path}: {what}")
    return detected


def _decoded(path: Path, detected: DetectedEncoding, mixed: list[int]) -> Iterator[str]:
    with open_bytes(path) as file:
        if detected.wide:
            with io.TextIOWrapper(file, encoding=detected.name, newline="") as text:
                yield from text
            return
        number = 0
        cr_ends = False
        for raw in file:
            line = _decode(raw, detected)
            if detected.mixed and not _is_utf8(raw):
                mixed.append(number + 1)
            if not number:
                cr_ends = bool(re.match(r"[^\r\n]*\r(?!\r*\n)", line))
            for part in io.StringIO(line, newline="") if cr_ends else (_STRAY.sub(" ", line),):
                number += 1
                yield part


def _decode(raw: bytes, detected: DetectedEncoding) -> str:
    if detected.mixed:
        return decode_mixed(raw)
    if detected.guessed and detected.name == "cp1252":
        return decode_latin(raw)
    return raw.decode(detected.name, errors="replace" if detected.guessed else "strict")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(path: Path, error: Exception) -> DataError:
    if damaged(error):
        return DataError(f"{path}: the compressed file is damaged or truncated ({error}); download it again")
    return DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")


def check_columns(path: Path, columns: Sequence[str], names: Sequence[str]) -> None:
    """Check that a file has the required columns.

    Raises:
        DataError: a column is missing, or occurs twice.
    """
    for column in columns:
        if column not in names:
            joined = len(names) == 1 and column in names[0]
            raise DataError(
                f"{path}: there is no column {column!r}; the columns are {', '.join(map(repr, names))}. "
                + ("Set the `delimiter` of its cells" if joined else "Name one of these")
                + " in the data-set description"
            )
        if names.count(column) > 1:
            raise DataError(f"{path}: the column {column!r} occurs twice; rename one of them")
