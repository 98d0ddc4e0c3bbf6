"""Packed bundles: a bundle in one file, a zip without compression.

Each entry begins at a multiple of the page size, so that it is read where it lies, through a map of the file. Equal
entries give equal bytes.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from emberline.engine.errors import BundleCorrupt, BundleError

if TYPE_CHECKING:
    import zipfile

#: Bytes that the start of each entry is a multiple of: the largest page size in use.
_ALIGNMENT: Final = 16_384
#: The fixed part of a zip's local header, its signature, and the fields for the sizes of the name and of what follows.
_HEADER: Final = struct.Struct("<4s5H3I2H")
_SIGNATURE: Final = b"PK\x03\x04"
#: An extra field that programs skip: its id and its size, then padding.
_PADDING: Final = struct.Struct("<2H")
_PADDING_ID: Final = 0xD935  # the one of Android's zipalign
#: Characters that the name of an entry has at most.
_NAME: Final = 256
#: Zip's first date, so that the time of packing changes no byte.
_DATE: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PackedFile:
    """An entry of a packed bundle.

    Attributes:
        pack: the file that it is in.
        name: its name.
        content: its bytes, in the file's map.
        map: the map of the whole file.
        start: where it begins in the file.
    """

    pack: Path
    name: str
    content: memoryview
    map: mmap.mmap
    start: int

    def __str__(self) -> str:
        return f"{self.name} in {self.pack}"

    def write_to(self, file: BinaryIO) -> None:
        """Write its bytes to a file."""
        file.write(self.content)
        self.release()

    def release(self) -> None:
        """Give its pages of the map back to the system. They are read again from the file when they are needed."""
        if hasattr(mmap, "MADV_DONTNEED"):
            start = self.start - self.start % mmap.PAGESIZE
            self.map.madvise(mmap.MADV_DONTNEED, start, self.start + len(self.content) - start)

    def read_bytes(self) -> bytes:
        """Return a copy of its bytes."""
        content = bytes(self.content)
        self.release()  # the copy is used from here on
        return content


class Pack:
    """An open packed bundle. Its file may be replaced meanwhile, but not changed."""

    def __init__(self, path: Path) -> None:
        """Map the file and read its list of entries.

        Raises:
            BundleError: it cannot be read, or is no zip.
            BundleCorrupt: it is cut off, or has an entry that a pack cannot have.
        """
        import zipfile  # a server of a folder needs it not

        self._path = path
        if path.is_dir():
            raise BundleError(f"{path} is a folder and not a packed bundle; name what `emberline pack` wrote")
        try:
            with path.open("rb") as file:
                self._whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                self._map = memoryview(self._whole)
        except (OSError, ValueError) as error:
            raise BundleError(
                f"{path} cannot be read ({error}); name a bundle, or a file of `emberline pack`"
            ) from None
        if bytes(self._map[: len(_SIGNATURE)]) != _SIGNATURE:
            raise BundleError(
                f"{path} is a file and not a packed bundle; name the folder that `emberline export` wrote, or what "
                "`emberline pack` wrote"
            )
        try:
            with zipfile.ZipFile(path) as archive:
                self._entries = {info.filename: self._entry(info) for info in archive.infolist()}
        except (zipfile.BadZipFile, struct.error, NotImplementedError, UnicodeError) as error:
            cut = self._cut()
            where = f"{cut} in {path} is cut off" if cut else f"{path} is cut off or damaged"
            raise BundleCorrupt(f"{where} ({error}); copy the file again") from error

    def file(self, name: str) -> PackedFile:
        """Return an entry.

        Raises:
            BundleCorrupt: there is none of this name.
        """
        if name not in self._entries:
            raise BundleCorrupt(f"{name} is missing in {self._path}; copy the file again or pack the bundle again")
        return self._entries[name]

    @property
    def content(self) -> memoryview:
        """The bytes of the whole file."""
        return self._map

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries, in their order."""
        return tuple(self._entries)

    def _entry(self, info: zipfile.ZipInfo) -> PackedFile:
        import zipfile  # a server of a folder needs it not

        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise BundleCorrupt(
                f"{info.filename} in {self._path} is compressed or encrypted; make the file with `emberline pack`"
            )
        start = self._start(info.header_offset)
        content = self._map[start : start + info.file_size]
        if len(content) != info.file_size:
            raise BundleCorrupt(f"{info.filename} in {self._path} is cut off; copy the file again")
        return PackedFile(self._path, info.filename, content, self._whole, start)

    def _start(self, header: int) -> int:
        """Return where the bytes of the entry begin whose local header is at a position."""
        *_, name, extra = _HEADER.unpack_from(self._map, header)
        return header + _HEADER.size + int(name) + int(extra)

    def _cut(self) -> str:
        """Return the name of the entry where the file ends too early; empty if the entries are there."""
        position = 0
        while bytes(self._map[position : position + len(_SIGNATURE)]) == _SIGNATURE:
            try:
                *_, size, name, extra = _HEADER.unpack_from(self._map, position)
            except struct.error:
                return ""
            start = position + _HEADER.size
            position = start + name + extra + size
            if position > len(self._map):
                cut = bytes(self._map[start : start + name]).decode(errors="replace")
                return cut if cut.isprintable() and len(cut) < _NAME else ""
        return ""


def write_pack(file: BinaryIO, contents: Mapping[str, bytes | memoryview]) -> None:
    """Write a packed bundle.

    Args:
        file: the file, open for writing and seeking.
        contents: the bytes of the entries by name, in their order.
    """
    import zipfile  # a server of a folder needs it not

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o644 << 16
            begins = file.tell() + _HEADER.size + len(name.encode()) + _PADDING.size
            padding = -begins % _ALIGNMENT
            info.extra = _PADDING.pack(_PADDING_ID, padding) + bytes(padding)
            with archive.open(info, "w") as entry:
                entry.write(content)
