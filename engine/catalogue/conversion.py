"""A catalogue's file is turned into one with smaller vectors."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from emberline.engine.errors import CatalogueError

from .blobs import from_blobs, to_blobs
from .kinds import NUMBERS, VECTOR_KINDS, VectorKind
from .stored_vectors import StoredVectors

#: Items at a time; see `store.py`.
_ROWS: Final = 8192
#: Stands among the meta data as long as the file holds the room of vectors that have become smaller.
_LOOSE: Final = "loose"


def check_convertible(path: Path, found: VectorKind, wanted: VectorKind) -> None:
    """Check that vectors can be turned from one kind into another.

    Raises:
        CatalogueError: they have lost already what the other kind would keep.
    """
    if VECTOR_KINDS.index(found) > VECTOR_KINDS.index(wanted):
        raise CatalogueError(
            f"{path} keeps vectors as {found}, and what they lost by it cannot be restored to {wanted}; serve it with "
            f"--catalogue-vectors {found}, or name another file with --catalogue PATH, which begins with the bundle's "
            "items, and upsert the others there, which encodes them anew"
        )


def convert(
    path: Path, connection: sqlite3.Connection, found: VectorKind, wanted: VectorKind, *, hidden: int, dimensions: int
) -> None:
    """Turn all vectors of a file into a smaller kind, within the caller's transaction.

    Args:
        path: of the file.
        connection: to it, within a transaction.
        found: how the file keeps vectors.
        wanted: how it will.
        hidden: H.
        dimensions: D.

    Raises:
        CatalogueError: the file is damaged, or has numbers that are too large for the kind.
    """

    def blobs(given: tuple[bytes, ...], width: int) -> list[bytes]:
        exact = from_blobs(given, found, width, path)
        smaller = StoredVectors.of(exact[:], wanted)
        if not smaller.finite().all():
            raise CatalogueError(
                f"{path} has a vector with numbers too large for {wanted}; serve it with --catalogue-vectors {found}"
            )
        return list(to_blobs(smaller))

    last = -1
    while chunk := connection.execute(
        "SELECT place, embedding, vector FROM items WHERE place > ? ORDER BY place LIMIT ?", (last, _ROWS)
    ).fetchall():
        places, embeddings, vectors = zip(*chunk, strict=True)
        changed = zip(blobs(embeddings, hidden), blobs(vectors, dimensions), places, strict=True)
        connection.executemany("UPDATE items SET embedding = ?, vector = ? WHERE place = ?", changed)
        last = places[-1]
    connection.execute("UPDATE meta SET value = ? WHERE name = 'storage'", (NUMBERS[wanted],))
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, '')", (_LOOSE,))


def compact(connection: sqlite3.Connection) -> None:
    """Give back the room of vectors that were converted, now or before a kill; outside of any transaction."""
    if connection.execute("SELECT count(*) FROM meta WHERE name = ?", (_LOOSE,)).fetchone() == (0,):
        return
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log, if there is one, is as long as the file was
    connection.execute("DELETE FROM meta WHERE name = ?", (_LOOSE,))
