"""The files of a bundle: paths in a folder, or entries of a packed bundle; and the checks of their SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path

from emberline.engine.errors import BundleCorrupt, BundleError
from emberline.engine.files import BundleFile, written_whole

from .layout import BundleLayout
from .manifest import FileRecord, Manifest
from .pack import Pack, PackedFile, write_pack


class BundleFiles:
    """The files of one bundle, for reading, by the paths of its layout."""

    def __init__(self, root: Path) -> None:
        """Look at what lies there: a folder, or a file.

        Raises:
            BundleError: the file is not a packed bundle.
            BundleCorrupt: the packed bundle is cut off.
        """
        self.layout = BundleLayout(root)
        self._pack = Pack(root) if root.is_file() else None

    @property
    def packed(self) -> bool:
        """Whether the bundle is one file."""
        return self._pack is not None

    def file(self, path: Path) -> BundleFile:
        """Return a file of the layout.

        Raises:
            BundleCorrupt: the packed bundle has no such entry. A path may lead nowhere, which reading it shows.
        """
        return path if self._pack is None else self._pack.file(path.name)

    def has(self, path: Path) -> bool:
        """Return whether a file of the layout exists."""
        return path.is_file() if self._pack is None else path.name in self._pack.names

    def write(self, path: Path, content: bytes) -> None:
        """Write a file beside those that the manifest lists, such as the signature. A packed bundle is written anew.

        Raises:
            DataError: the packed bundle cannot be written.
        """
        if self._pack is None:
            path.write_bytes(content)
            return
        entries = {name: self._pack.file(name).content for name in self._pack.names} | {path.name: memoryview(content)}
        with written_whole(self.layout.root, replace=True, mode=0o644) as file:
            write_pack(file, entries)
        self._pack = Pack(self.layout.root)

    def manifest(self) -> Manifest:
        """Read the manifest; see `Manifest.read`."""
        try:
            file = self.file(self.layout.manifest)
        except BundleCorrupt:
            raise BundleError(
                f"{self.layout.root} is a zip and not a packed bundle: it has no {self.layout.manifest.name}; make one "
                "with `emberline pack`"
            ) from None
        return Manifest.read(file)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(file: BundleFile, record: FileRecord) -> None:
    """Check a file against the manifest.

    Raises:
        BundleCorrupt: the file is missing, altered, or a link to a place outside the bundle's folder.
    """
    if isinstance(file, PackedFile):
        size, digest = len(file.content), hashlib.sha256(file.content).hexdigest()
        file.release()  # most of it is not needed again
        again = "copy the file again or pack the bundle again"
    else:
        path = _inside(Path(str(file)))
        size = path.stat().st_size
        digest = sha256(path) if size == record.bytes else ""
        again = "copy the bundle again or export it again"
    if size != record.bytes:
        raise BundleCorrupt(f"{file} was altered: it has {size} bytes, not {record.bytes}; {again}")
    if digest != record.sha256:
        raise BundleCorrupt(f"{file} was altered: it has SHA-256 {digest[:12]}…, not {record.sha256[:12]}…; {again}")


def _inside(path: Path) -> Path:
    if not path.is_file():
        raise BundleCorrupt(f"{path} is missing, the manifest lists it; copy the bundle again or export it again")
    resolved = path.resolve()
    if not resolved.is_relative_to(path.parent.resolve()):
        raise BundleCorrupt(
            f"{path} is a link to {resolved}, outside the bundle, where it could change; copy the file itself"
        )
    return path
