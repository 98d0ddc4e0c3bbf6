"""Reading of files that are compressed with Zstandard, by the package `zstandard`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import zstandard

#: Number of compressed bytes that are read at a time.
_PART: Final = 1 << 16


class Frames(io.RawIOBase):
    """The decompressed content of a file. Unlike the package's own reader, it detects a truncated file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._content = b""

    def readable(self) -> bool:
        """Return True: the file can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from its beginning; returns the number of bytes.

        Raises:
            EOFError: the file is damaged or truncated.
        """
        while not self._content:
            packed = self._frame.unused_data if self._frame.eof else b""
            packed = packed or self._file.read(_PART)
            if self._frame.eof and packed:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            elif not packed:
                if self._frame.eof:
                    return 0
                raise EOFError("its last frame is not whole")
            try:
                self._content = self._frame.decompress(packed)
            except zstandard.ZstdError as error:
                raise EOFError(str(error)) from error
        size = min(len(buffer), len(self._content))
        buffer[:size] = self._content[:size]
        self._content = self._content[size:]
        return size

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
