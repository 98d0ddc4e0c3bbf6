"""Connections to the SQLite file of a catalogue: opening, locking, transactions, and errors that say what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from emberline.engine.bundle import BundleFile
from emberline.engine.errors import CatalogueError

#: Seconds to wait for a file that another server holds. A server that is being replaced releases it once it has
#: drained.
_LOCK_WAIT: Final = 2.0


def connect(path: Path, *, mode: int = 0o600) -> sqlite3.Connection:
    """Open a file for reading and writing, creating it if there is none, and lock it until the connection is closed.

    Args:
        path: the file.
        mode: permissions of a new file; SQLite gives its journals the same. By default the file is its owner's alone,
            because items may be confidential.

    Raises:
        CatalogueError: the folder is missing, the file cannot be opened, or another process holds it.
    """
    if not path.parent.is_dir():
        raise CatalogueError(f"{path}: there is no folder {path.parent}; make it or name another file")
    with suppress(OSError):  # it exists, or cannot be created, which SQLite reports
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode))
    with translated_errors(path):
        # Autocommit: transactions begin and end where this module says.
        connection = sqlite3.connect(path, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False)
    try:
        with translated_errors(path):
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA synchronous = FULL")
            # A file from elsewhere must not call functions by its schema.
            connection.execute("PRAGMA trusted_schema = OFF")
            with transaction(connection):  # takes the lock, which the connection then keeps
                pass
    except BaseException:
        connection.close()
        raise
    return connection


def connect_read_only(seed: BundleFile) -> sqlite3.Connection:
    """Open a bundle's catalogue for reading. Nothing is locked or written.

    Raises:
        CatalogueError: the file is missing or cannot be opened.
    """
    if not isinstance(seed, Path):
        with translated_errors(seed):
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            connection.deserialize(seed.read_bytes())
        return connection
    if not seed.is_file():
        raise CatalogueError(f"{seed}, the bundle's catalogue, is missing; copy the bundle again or export it again")
    with translated_errors(seed):
        # Immutable: no lock and no journal beside the file, so that the bundle may lie on a read-only medium.
        return sqlite3.connect(
            f"{seed.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )


def copy_to(source: sqlite3.Connection, path: Path) -> None:
    """Copy an open file to a new one by SQLite's backup, which takes what is in the log as well.

    Raises:
        CatalogueError: the new file exists or cannot be written; nothing is left of it.
    """
    if path.exists():
        raise CatalogueError(f"{path} exists; remove it or name another file")
    target = connect(path)
    try:
        with translated_errors(path):
            source.backup(target)
    except BaseException:
        target.close()
        path.unlink(missing_ok=True)
        raise
    target.close()


def check_closed(path: Path) -> None:
    """Check that all of a file that was closed is in the file itself.

    Raises:
        CatalogueError: a log is left beside it.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise CatalogueError(f"{log} could not be written into {path}; check the disk's space")


def remove(path: Path) -> None:
    """Remove a file that no process holds, and its journals."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block does, or roll it back if it raises."""
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def translated_errors(path: Path | BundleFile) -> Iterator[None]:
    """Turn SQLite's errors into errors that say what to do about the file.

    Raises:
        CatalogueError: SQLite raised an error.
    """
    try:
        yield
    except sqlite3.Error as error:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the primary code of an extended one
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                raise CatalogueError(
                    f"{path} is held by another process, and each server needs a catalogue of its own; stop the other "
                    "or name another file with --catalogue PATH"
                ) from error
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                raise CatalogueError(
                    f"{path} is damaged or not a catalogue ({error}); restore a copy of it, or delete it to start "
                    "again with the bundle's items"
                ) from error
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY:
                raise CatalogueError(
                    f"{path} cannot be opened for writing ({error}); name a file that can be, with --catalogue PATH"
                ) from error
            case _:
                raise CatalogueError(
                    f"{path} cannot be read or written ({error}), and nothing of this change was stored; check the "
                    "disk's space and the file's permissions"
                ) from error
