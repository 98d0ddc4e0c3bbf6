"""Reading of compressed files, which are recognised by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Final, cast

from emberline.engine.errors import DataError

#: Suffixes of compressed files; the suffix before them gives the format.
SUFFIXES: Final = (".gz", ".zst", ".bz2", ".xz")

_GZIP: Final = b"\x1f\x8b"
_ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
_BZIP2: Final = b"BZh"
_XZ: Final = b"\xfd7zXZ\x00"


def format_suffix(path: Path) -> str:
    """Return the suffix of a file's format, in lower case: ``.csv`` for ``items.csv.gz``."""
    plain = path.with_suffix("") if path.suffix.lower() in SUFFIXES else path
    return plain.suffix.lower()


def open_bytes(path: Path) -> AbstractContextManager[IO[bytes]]:
    """Open a file for reading, and decompress it if it is compressed.

    Raises:
        DataError: the file is compressed with Zstandard, and the package for it is not installed.
    """
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(_GZIP):
        return cast("IO[bytes]", gzip.open(path))
    if start.startswith(_ZSTANDARD):
        return _open_zstandard(path)
    if start.startswith(_BZIP2):
        return bz2.open(path)
    if start.startswith(_XZ):
        return lzma.open(path)
    return path.open("rb")


def _open_zstandard(path: Path) -> AbstractContextManager[IO[bytes]]:
    try:
        from .zstd import Frames
    except ImportError:
        raise DataError(
            f"{path} is compressed with Zstandard: pip install zstandard, or decompress it first (zstd -d {path.name})"
        ) from None
    return io.BufferedReader(Frames(path))


#: Errors that reading a damaged compressed file can raise.
DAMAGED: Final = (EOFError, OSError, lzma.LZMAError, zlib.error)


def damaged(error: Exception) -> bool:
    """Return whether an error means that a compressed file is truncated or damaged."""
    return isinstance(error, EOFError | gzip.BadGzipFile | lzma.LZMAError | zlib.error)
