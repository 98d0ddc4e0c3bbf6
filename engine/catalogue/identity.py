"""The identity of an open file: whether its path still leads to it.

An open file that was removed or replaced can be written to, and what is written is lost when it is closed.
"""

from __future__ import annotations

from pathlib import Path

from emberline.engine.errors import CatalogueError


class FileIdentity:
    """Remembers the files of a catalogue: its own, and SQLite's log once it exists."""

    def __init__(self, path: Path) -> None:
        """Remember the files that exist now.

        Args:
            path: the catalogue's file, which is open.
        """
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._file = _identity(path)
        self._log_file: tuple[int, int] | None = None

    def check(self) -> None:
        """Check that the paths still lead to the files that are open.

        Raises:
            CatalogueError: a file was removed or replaced.
        """
        self._compare(self._path, self._file)
        log = _identity(self._log)
        self._log_file = self._log_file or log  # SQLite creates it with the first change
        if self._log_file is not None:
            self._compare(self._log, self._log_file)

    def _compare(self, path: Path, expected: tuple[int, int] | None) -> None:
        actual = _identity(path)
        if actual != expected:
            raise CatalogueError(
                f"{path} was {'removed' if actual is None else 'replaced'} while the server had it open, so this "
                "change would be lost; stop the server, put a copy of the catalogue there (`emberline catalogue "
                "restore`), and start it again"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and the number of a file; None if it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
