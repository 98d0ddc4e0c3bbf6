"""Files: those of a bundle, wherever they lie, and those that appear or change once they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from .errors import DataError


class BundleFile(Protocol):
    """A file of a bundle: a path, or an entry of a packed bundle. As text it says where it lies."""

    @property
    def name(self) -> str:
        """Its name in the bundle."""
        ...

    def read_bytes(self) -> bytes:
        """Return its bytes."""
        ...


@contextmanager
def written_whole(path: Path, *, replace: bool = False, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Write a file under another name, and give it its own when the block has ended without an error.

    At any moment, also after a power cut, the path holds all of the file, all of the one before, or nothing.

    Args:
        path: the file.
        replace: whether it may exist, and is replaced then.
        mode: its permissions. By default only its owner may read it.

    Raises:
        DataError: the file exists and may not, or cannot be written.
    """
    if path.exists() and not replace:
        raise DataError(f"{path} exists; remove it or name another file")
    part = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_RDWR, mode), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); check the folder and the disk's space"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder through to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
