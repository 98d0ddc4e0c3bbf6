"""Checks of a bundle's files: their SHA-256, and that they lie inside the folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from emberline.engine.errors import BundleCorrupt

from .manifest import FileRecord


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, record: FileRecord) -> None:
    """Check a file against the manifest.

    Raises:
        BundleCorrupt: the file is missing, altered, or a link to a place outside the bundle's folder.
    """
    if not path.is_file():
        raise BundleCorrupt(f"{path} is missing, the manifest lists it; copy the bundle again or export it again")
    resolved = path.resolve()
    if not resolved.is_relative_to(path.parent.resolve()):
        raise BundleCorrupt(
            f"{path} is a link to {resolved}, outside the bundle, where it could change; copy the file itself"
        )
    if path.stat().st_size != record.bytes or (digest := sha256(path)) != record.sha256:
        detail = (
            f"has {path.stat().st_size} bytes, not {record.bytes}"
            if path.stat().st_size != record.bytes
            else f"has SHA-256 {digest[:12]}…, not {record.sha256[:12]}…"
        )
        raise BundleCorrupt(f"{path} was altered: it {detail}; copy the bundle again or export it again")
