"""A folder that appears whole or not at all."""

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
    """Give a folder to fill; it takes the target's name when all went well, and vanishes if not.

    It lies beside the target, so that the last step is a renaming within one file system, and all of it is on the disk
    before. A bundle that is replaced keeps its name until then; only between two renamings is there none.

    Args:
        target: the folder's name.
        replace: whether a bundle of that name may be replaced.

    Raises:
        ExportError: there is something of that name that must not be replaced, or nothing can be written there.
    """
    require_free(target, replace=replace)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ExportError(f"{target.parent} cannot be written to ({error.strerror}); choose another --out") from error
    try:
        yield folder
        folder.chmod(0o755)  # mkdtemp's is for the owner alone
        _settle(folder)
        _rename(folder, target, replace=replace)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_free(target: Path, *, replace: bool) -> None:
    """Check that a bundle may be written under a name.

    Raises:
        ExportError: there is something of that name that must not be replaced.
    """
    if not target.exists():
        return
    if not replace:
        raise ExportError(f"{target} exists; choose another --out, or replace it with --force")
    if not target.is_dir() or (any(target.iterdir()) and not BundleLayout(target).manifest.is_file()):
        raise ExportError(f"{target} exists and is no bundle, so --force does not replace it; choose another --out")


def _settle(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _rename(folder: Path, target: Path, *, replace: bool) -> None:
    require_free(target, replace=replace)  # somebody else may have been quicker
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
