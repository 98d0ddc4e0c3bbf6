"""The store: the SQLite file of a catalogue.

Each change is one transaction, which is written through to the disk (synchronous=FULL) before the call returns. The
file stays locked while the store is open, because a server's view in memory would not see what another server writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from emberline.engine.errors import CatalogueError
from emberline.engine.files import BundleFile, sync_folder

from .blobs import from_blobs, to_blobs
from .connection import (
    check_closed,
    connect,
    connect_read_only,
    copy_to,
    remove,
    transaction,
    translated_errors,
)
from .conversion import check_convertible, compact, convert
from .identity import FileIdentity
from .kinds import NUMBERS, VectorKind
from .meta import Meta
from .rows import StagedRows

#: Version of the tables; incremented with every change.
SCHEMA: Final = 1

#: Rows read at a time: enough to make the cost of a call negligible, and only 20 MB.
_READ_ROWS: Final = 8192

_TABLES: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    """CREATE TABLE items (
        place INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        text TEXT NOT NULL,
        attributes TEXT NOT NULL,
        embedding BLOB NOT NULL,
        vector BLOB NOT NULL,
        bias REAL NOT NULL,
        updated REAL NOT NULL
    ) STRICT""",
)
_UPSERT: Final = """
INSERT INTO items (id, text, attributes, embedding, vector, bias, updated) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET text = excluded.text, attributes = excluded.attributes, embedding = excluded.embedding,
    vector = excluded.vector, bias = excluded.bias, updated = excluded.updated
"""
_SELECT: Final = "SELECT id, text, attributes, embedding, vector, bias, updated FROM items ORDER BY place"


class Store:
    """The open file of a catalogue. One thread at a time may use it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, meta: Meta) -> None:
        self._path = path
        self._connection = connection
        self._meta = meta
        self._identity = FileIdentity(path)

    @classmethod
    def open(cls, path: Path, seed: BundleFile | None, meta: Meta, *, new: bool = False) -> Store:
        """Open a live catalogue's file; see `EmbeddedCatalogue.open`. With `new`, one that has items is refused."""
        if isinstance(seed, Path) and path.exists() and seed.exists() and path.samefile(seed):
            raise CatalogueError(
                f"{path} is the bundle's own catalogue, and a bundle never changes; name another file with "
                "--catalogue PATH, which starts with the bundle's items"
            )
        connection = connect(path)
        try:
            with translated_errors(path):
                if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                    if seed is None:
                        _create_tables(connection, meta)
                    else:
                        _copy(seed, connection, meta)
                elif new:
                    raise CatalogueError(
                        f"{path} was created by another process meanwhile, and has its items; open the bundle again"
                    )
                kind = _check(path, connection, meta)
                # Half a second for 200,000 items. A half-copied file is detected now and not during a request.
                ((verdict,),) = connection.execute("PRAGMA integrity_check(1)")
                if verdict != "ok":
                    raise CatalogueError(
                        f"{path} is damaged ({verdict}); restore a copy of it, or delete it to start "
                        "again with the bundle's items"
                    )
                if kind != meta.kind:
                    with transaction(connection):
                        convert(path, connection, kind, meta.kind, hidden=meta.hidden, dimensions=meta.dimensions)
                compact(connection)
                # With a write-ahead log a commit is one write and one flush.
                connection.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, meta)

    @classmethod
    def read_only(cls, file: BundleFile, meta: Meta) -> Store:
        """Open a file that no process writes to; see `EmbeddedCatalogue.read_only`."""
        connection = connect_read_only(file)
        try:
            with translated_errors(file):
                _check(file, connection, meta)
        except BaseException:
            connection.close()
            raise
        return cls(Path(str(file)), connection, meta)

    @classmethod
    def create(cls, path: Path, meta: Meta) -> Store:
        """Create a file that must not exist yet; see `EmbeddedCatalogue.create`."""
        if path.exists():
            raise CatalogueError(f"{path} exists; remove it or name another file")
        connection = connect(path, mode=0o644)  # like the other files of a bundle
        try:
            with translated_errors(path):
                _create_tables(connection, meta)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, meta)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def meta(self) -> Meta:
        """Description of the vectors."""
        return self._meta

    def live(self) -> Store:
        """Return this store, whose file exists; see `DeferredStore.live`."""
        return self

    def count(self) -> int:
        """Return the number of items in the file."""
        with translated_errors(self._path):
            (count,) = self._connection.execute("SELECT count(*) FROM items").fetchone()
            return int(count)

    def read(self) -> Iterator[StagedRows]:
        """Read all items in chunks, in the order of their first insertion.

        Raises:
            CatalogueError: the file is damaged.
        """
        with translated_errors(self._path):
            cursor = self._connection.execute(_SELECT)
            while chunk := cursor.fetchmany(_READ_ROWS):
                ids, texts, documents, embeddings, vectors, biases, updated = zip(*chunk, strict=True)
                rows = StagedRows(
                    ids=ids,
                    texts=texts,
                    documents=documents,
                    embeddings=from_blobs(embeddings, self._meta.kind, self._meta.hidden, self._path),
                    vectors=from_blobs(vectors, self._meta.kind, self._meta.dimensions, self._path),
                    biases=np.array(biases, np.float32),
                    updated=np.array(updated, np.float64),
                )
                _check_finite(rows, self._path)
                yield rows

    def upsert(self, batch: StagedRows) -> None:
        """Insert or replace items. A replaced item keeps its position. The items are durable on return.

        Raises:
            CatalogueError: the file cannot be written, or was removed or replaced; nothing was stored.
        """
        rows = zip(
            batch.ids,
            batch.texts,
            batch.documents,
            to_blobs(batch.embeddings),
            to_blobs(batch.vectors),
            batch.biases.tolist(),
            batch.updated.tolist(),
            strict=True,
        )
        with self._change():
            self._connection.executemany(_UPSERT, rows)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete items. The deletion is durable on return.

        Raises:
            CatalogueError: the file cannot be written, or was removed or replaced; nothing was deleted.
        """
        with self._change():
            self._connection.executemany("DELETE FROM items WHERE id = ?", [(item_id,) for item_id in ids])

    def backup(self, path: Path) -> None:
        """Copy the file; see `Catalogue.backup`."""
        copy_to(self._connection, path)

    def take_place_of(self, other: Store) -> None:
        """Move the file to the place of another one; see `Catalogue.take_place_of`."""
        other._identity.check()
        self.close()  # which writes the log into the file
        other.close()
        try:
            for path in (self._path, other._path):
                check_closed(path)
            try:
                self._path.replace(other._path)
                sync_folder(other._path.parent)
            except OSError as error:
                raise CatalogueError(f"{other._path} cannot be replaced ({error.strerror})") from error
        except BaseException:
            other._reopen()
            raise
        self._path = other._path
        self._reopen()

    def close(self) -> None:
        """Close and unlock the file."""
        self._connection.close()

    def remove(self) -> None:
        """Remove the file, which must have been closed."""
        remove(self._path)

    def _reopen(self) -> None:
        self._connection = connect(self._path)
        with translated_errors(self._path):
            self._connection.execute("PRAGMA journal_mode = WAL")
        self._identity = FileIdentity(self._path)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Make the block's changes durable, in the file that the path leads to, before and after."""
        self._identity.check()
        with translated_errors(self._path), transaction(self._connection):
            yield
        self._identity.check()


def _create_tables(connection: sqlite3.Connection, meta: Meta) -> None:
    with transaction(connection):
        for statement in _TABLES:
            connection.execute(statement)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", _entries(meta).items())


def _entries(meta: Meta) -> dict[str, str]:
    return {
        "schema": str(SCHEMA),
        "fingerprint": meta.fingerprint,
        "hidden": str(meta.hidden),
        "dimensions": str(meta.dimensions),
        "storage": NUMBERS[meta.kind],
    }


def _copy(seed: BundleFile, connection: sqlite3.Connection, meta: Meta) -> None:
    """Copy the seed in one transaction. A kill on the way leaves the file empty, and the next start seeds it again."""
    source = connect_read_only(seed)
    try:
        with translated_errors(seed):
            _check(seed, source, meta)
        source.backup(connection)  # an error is that of the file that is written: the seed's SHA-256 was checked
    finally:
        source.close()


def _check(path: Path | BundleFile, connection: sqlite3.Connection, meta: Meta) -> VectorKind:
    """Check that the vectors of the file may be compared with the model's; returns their number format."""
    foreign = connection.execute("SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'view')").fetchone()
    if foreign:
        raise CatalogueError(
            f"{path} has the {foreign[0]} {foreign[1]}, which Emberline never makes and which could change what it "
            "reads and writes; name another file, or restore a copy that has none"
        )
    try:
        entries = dict(connection.execute("SELECT name, value FROM meta"))
    except sqlite3.OperationalError:
        raise CatalogueError(f"{path} is an SQLite file but not a catalogue; name another file") from None
    if entries.get("schema") != str(SCHEMA):
        raise CatalogueError(
            f"{path} has schema {entries.get('schema')}, this Emberline reads {SCHEMA}; name another file"
        )
    if entries.get("fingerprint") != meta.fingerprint:
        raise CatalogueError(
            f"{path} was made by another encoder (its fingerprint is {entries.get('fingerprint')}, the bundle's "
            f"{meta.fingerprint}), so their vectors cannot be compared; start with --reencode, which encodes its items "
            "again, or name another file with --catalogue PATH, which starts with the bundle's items"
        )
    kinds = {numbers: kind for kind, numbers in NUMBERS.items()}
    kind = kinds.get(entries.get("storage", ""))
    if kind is None:
        raise CatalogueError(
            f"{path} has storage {entries.get('storage')}, this Emberline reads {', '.join(kinds)}; name another file"
        )
    for name, value in _entries(replace(meta, kind=kind)).items():
        if entries.get(name) != value:
            raise CatalogueError(f"{path} has {name} {entries.get(name)}, the bundle has {value}; name another file")
    check_convertible(path, kind, meta.kind)
    return kind


def _check_finite(rows: StagedRows, path: Path) -> None:
    finite = rows.embeddings.finite() & rows.vectors.finite() & np.isfinite(rows.biases)
    if not finite.all():
        raise CatalogueError(
            f"{path} is damaged: a stored number of item {rows.ids[int(np.argmin(finite))]!r} is infinite or not a "
            "number; restore a copy of it, or delete it to start again with the bundle's items"
        )
