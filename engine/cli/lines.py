"""Lines of text from a file or standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from emberline.engine.errors import DataError


def lines(path: Path | None) -> Iterator[tuple[str, str]]:
    """Yield the lines that are not empty, each after its source, e.g. ``items.jsonl:3``.

    Args:
        path: the file; None or ``-``: standard input.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8.
    """
    standard = path is None or str(path) == "-"
    name = "standard input" if standard else str(path)
    try:
        with nullcontext(sys.stdin.buffer) if standard or path is None else path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                try:
                    line = raw.decode().strip()
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"{name}:{number} is not UTF-8 ({error.reason} at byte {error.start}); convert it to UTF-8"
                    ) from None
                if line:
                    yield f"{name}:{number}", line
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from error
