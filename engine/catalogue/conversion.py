"""Conversion of a catalogue's file to a smaller number format."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from emberline.engine.bundle import BundleFile
from emberline.engine.errors import CatalogueError

from .blobs import from_blobs, to_blobs
from .kinds import NUMBERS, VECTOR_KINDS, VectorKind
from .stored_vectors import StoredVectors

#: Items at a time; see `store.py`.
_ROWS: Final = 8192
#: Entry of the meta data that is present while the file still has the free pages of a conversion.
_LOOSE: Final = "loose"


def check_convertible(path: Path | BundleFile, source: VectorKind, requested: VectorKind) -> None:
    """Check that vectors can be converted from one number format to another.

    Raises:
        CatalogueError: the requested format is the more precise one.
    """
    if VECTOR_KINDS.index(source) > VECTOR_KINDS.index(requested):
        raise CatalogueError(
            f"{path} stores vectors as {source}, which cannot be restored to {requested}; serve it with "
            f"--catalogue-vectors {source}, or name another file with --catalogue PATH, which starts with the bundle's "
            "items, and upsert the others there, which encodes them again"
        )


def to_kind(vectors: StoredVectors, kind: VectorKind, path: Path | BundleFile) -> StoredVectors:
    """Convert vectors to a smaller number format; those that have it already are returned as they are.

    Args:
        vectors: the vectors.
        kind: the requested number format.
        path: the file that they were read from, for the error.

    Raises:
        CatalogueError: a number is too large for the format.
    """
    if vectors.kind == kind:
        return vectors
    smaller = StoredVectors.of(vectors[:], kind)
    if not smaller.finite().all():
        raise CatalogueError(
            f"{path} has a vector with numbers too large for {kind}; serve it with --catalogue-vectors {vectors.kind}"
        )
    return smaller


def convert(
    path: Path,
    connection: sqlite3.Connection,
    source: VectorKind,
    requested: VectorKind,
    *,
    hidden: int,
    dimensions: int,
) -> None:
    """Convert all vectors of a file to a smaller number format, within the caller's transaction.

    Args:
        path: the file.
        connection: connection to the file, within a transaction.
        source: current number format.
        requested: number format to convert to.
        hidden: H, the width of an embedding.
        dimensions: D, the width of a vector.

    Raises:
        CatalogueError: the file is damaged, or has numbers that are too large for the format.
    """

    def converted(blobs: tuple[bytes, ...], width: int) -> list[bytes]:
        return list(to_blobs(to_kind(from_blobs(blobs, source, width, path), requested, path)))

    last = -1
    while chunk := connection.execute(
        "SELECT place, embedding, vector FROM items WHERE place > ? ORDER BY place LIMIT ?", (last, _ROWS)
    ).fetchall():
        places, embeddings, vectors = zip(*chunk, strict=True)
        changed = zip(converted(embeddings, hidden), converted(vectors, dimensions), places, strict=True)
        connection.executemany("UPDATE items SET embedding = ?, vector = ? WHERE place = ?", changed)
        last = places[-1]
    connection.execute("UPDATE meta SET value = ? WHERE name = 'storage'", (NUMBERS[requested],))
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, '')", (_LOOSE,))


def compact(connection: sqlite3.Connection) -> None:
    """Free the pages of a conversion, this one or one before a kill. Call it outside of any transaction."""
    if connection.execute("SELECT count(*) FROM meta WHERE name = ?", (_LOOSE,)).fetchone() == (0,):
        return
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log, if any, is as large as the file was
    connection.execute("DELETE FROM meta WHERE name = ?", (_LOOSE,))
