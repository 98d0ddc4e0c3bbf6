"""Work on a catalogue's file that no server holds: check, copy, restore and export."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emberline.engine.errors import CatalogueError

from .connection import connect, translated_errors
from .kinds import NUMBERS
from .meta import Meta
from .store import Store

#: Bytes of a page of a compacted file. An item takes some 2 kB, so a page of 4 kB holds one.
_PAGE: Final = 16_384


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """What a catalogue's file holds.

    Attributes:
        path: the file.
        items: number of items.
        meta: description of their vectors.
    """

    path: Path
    items: int
    meta: Meta


def check(path: Path) -> CatalogueFile:
    """Read a whole file, and check all that a server checks at its start.

    Raises:
        CatalogueError: the file is missing, damaged, not a catalogue, or held by a server.
    """
    with _opened(path) as store:
        return CatalogueFile(path, sum(len(rows.ids) for rows in store.read()), store.meta)


def compact(path: Path) -> None:
    """Write a closed file anew, in pages that waste less room beside rows with vectors than SQLite's own.

    Raises:
        CatalogueError: the file cannot be read or written.
    """
    with translated_errors(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        connection.execute("VACUUM")


def backup(path: Path, copy: Path) -> CatalogueFile:
    """Copy a file, and check the copy.

    Raises:
        CatalogueError: the file cannot be used, or the copy exists or cannot be written.
    """
    with _opened(path) as store:
        store.backup(copy)
    return check(copy)


def restore(copy: Path, path: Path, *, replace: bool = False) -> CatalogueFile:
    """Put a copy in the place of a catalogue's file. The place holds the old file or the whole new one at any time.

    Args:
        copy: the copy, which is checked and not changed.
        path: the catalogue's file, which no server may hold.
        replace: whether an existing file may be replaced.

    Raises:
        CatalogueError: the copy cannot be used, or the file exists, is held by a server, or cannot be written.
    """
    if path.exists() and not replace:
        raise CatalogueError(f"{path} exists; replace it with --replace, or name another file")
    whole = path.with_name(f"{path.name}.restoring")
    whole.unlink(missing_ok=True)
    with _opened(copy) as store:
        store.backup(whole)
    try:
        found = check(whole)
        # Locked until the new file is there, so that no server starts with the old one; SQLite removes the old log.
        with closing(connect(path)) if path.exists() else nullcontext():
            whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
    return CatalogueFile(path, found.items, found.meta)


def export(path: Path) -> Iterator[str]:
    """Yield each item as a line of JSON, without its vectors, as `emberline items upsert` reads it.

    Raises:
        CatalogueError: the file cannot be used.
    """
    with _opened(path) as store:
        for rows in store.read():
            for item_id, text, document in zip(rows.ids, rows.texts, rows.documents, strict=True):
                item = {"id": item_id} | ({"text": text} if text else {}) | {"attributes": json.loads(document)}
                yield json.dumps(item, ensure_ascii=False)


def meta_of(path: Path) -> Meta:
    """Return the description of a file's vectors.

    Raises:
        CatalogueError: the file cannot be used, or a server holds it.
    """
    with closing(connect(path)) as connection, translated_errors(path):
        return _meta(path, connection)


@contextmanager
def _opened(path: Path) -> Iterator[Store]:
    """Open a file with the vectors that it has."""
    if not path.is_file():
        raise CatalogueError(f"{path} is not a file; name that of a catalogue")
    with closing(Store.open(path, None, meta_of(path))) as store:
        yield store


def _meta(path: Path, connection: sqlite3.Connection) -> Meta:
    try:
        entries = dict(connection.execute("SELECT name, value FROM meta"))
        kinds = {numbers: kind for kind, numbers in NUMBERS.items()}
        return Meta(
            entries["fingerprint"], int(entries["hidden"]), int(entries["dimensions"]), kinds[entries["storage"]]
        )
    except (sqlite3.OperationalError, KeyError, ValueError) as error:
        raise CatalogueError(f"{path} is an SQLite file but not a catalogue ({error}); name another file") from error
