"""Files that appear once they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from emberline.engine.errors import DataError


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Write a file under another name, and give it its own when the block has ended without an error.

    Args:
        path: the file, which must not exist. Only its owner may read it.

    Raises:
        DataError: the file exists or cannot be written.
    """
    if path.exists():
        raise DataError(f"{path} exists; remove it or name another file")
    part = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); check the folder and the disk's space"
        ) from error
    finally:
        part.unlink(missing_ok=True)
