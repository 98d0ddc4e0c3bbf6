"""Writes a folder atomically: it appears complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import ExportError


@contextmanager
def whole_folder(target: Path, *, replace: bool) -> Iterator[Path]:
    """Provide a temporary folder to fill, and rename it to the target on success; on failure it is deleted.

    The temporary folder is next to the target, so that the last step is a rename within one file system, after
    everything is on disk. A bundle that is replaced keeps its name until then, except between two renames.

    Args:
        target: the path of the final folder.
        replace: whether an existing bundle may be replaced.

    Raises:
        ExportError: the target exists and must not be replaced, or its parent cannot be written to.
    """
    require_free(target, replace=replace)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ExportError(f"{target.parent} cannot be written to ({error.strerror}); choose another folder") from error
    try:
        yield folder
        folder.chmod(0o755)  # mkdtemp gives access to the owner only
        _settle(folder)
        _rename(folder, target, replace=replace)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_free(target: Path, *, replace: bool) -> None:
    """Check that a bundle may be written to a path.

    Raises:
        ExportError: the path exists and must not be replaced.
    """
    if not target.exists():
        return
    if not replace:
        raise ExportError(f"{target} exists; choose another folder, or replace it with --force")
    if not target.is_dir() or (any(target.iterdir()) and not BundleLayout(target).manifest.is_file()):
        raise ExportError(f"{target} exists and is not a bundle, so --force does not replace it; choose another folder")


def _settle(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _rename(folder: Path, target: Path, *, replace: bool) -> None:
    require_free(target, replace=replace)  # it may have been created in the meantime
    if not target.exists():
        folder.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    target.rename(aside / "old")
    try:
        folder.rename(target)
    except OSError:
        (aside / "old").rename(target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
