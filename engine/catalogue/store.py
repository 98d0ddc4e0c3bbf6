"""The SQLite file of a catalogue: begun, seeded, checked, read and written, always whole.

Every change is one transaction, written through to the disk (synchronous=FULL) before the call returns. The file's lock
is held as long as the store is open: a server's view in memory would not see what another one writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from emberline.engine.errors import CatalogueError

from .blobs import from_blobs, to_blobs
from .conversion import check_convertible, compact, convert
from .kinds import NUMBERS, VectorKind
from .rows import StagedRows

#: Raised with every change of the tables.
SCHEMA: Final = 1

#: Rows read at a time: enough to make the cost of a call small, and only 20 MB.
_READ_ROWS: Final = 8192
#: Seconds to wait for a file that another server holds: one that is being replaced lets go of it when it has drained.
_LOCK_WAIT: Final = 2.0

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


@dataclass(frozen=True, slots=True)
class Meta:
    """What the vectors of a catalogue are.

    Attributes:
        fingerprint: of the encoder and tower that made them.
        hidden: H, the width of an embedding.
        dimensions: D, the width of a vector.
        kind: how both are kept.
    """

    fingerprint: str
    hidden: int
    dimensions: int
    kind: VectorKind


class Store:
    """A catalogue's file, open and locked. One thread at a time may use it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, meta: Meta) -> None:
        self._path = path
        self._connection = connection
        self._meta = meta

    @classmethod
    def open(cls, path: Path, seed: Path | None, meta: Meta) -> Store:
        """Open a live catalogue's file; see `Catalogue.open`."""
        connection = _connect(path)
        try:
            with _reported(path):
                if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                    if seed is None:
                        _begin(connection, meta)
                    else:
                        _copy(seed, connection, meta)
                found = _check(path, connection, meta)
                # Half a second for 200,000 items; a file that was copied by halves is found now and not in a request.
                ((verdict,),) = connection.execute("PRAGMA integrity_check(1)")
                if verdict != "ok":
                    raise CatalogueError(
                        f"{path} is damaged ({verdict}); put back a copy of it, or delete it to begin "
                        "again with the bundle's items"
                    )
                if found != meta.kind:
                    with _transaction(connection):
                        convert(path, connection, found, meta.kind, hidden=meta.hidden, dimensions=meta.dimensions)
                compact(connection)
                # A commit is then one write and one flush at the end of a log.
                connection.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, meta)

    @classmethod
    def read_only(cls, path: Path, meta: Meta) -> Store:
        """Open a file that nobody writes to; see `Catalogue.read_only`."""
        connection = _connect_to_seed(path)
        try:
            with _reported(path):
                _check(path, connection, meta)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, meta)

    @classmethod
    def create(cls, path: Path, meta: Meta) -> Store:
        """Begin a file that must not exist; see `Catalogue.create`."""
        if path.exists():
            raise CatalogueError(f"{path} exists; remove it or name another file")
        connection = _connect(path)
        try:
            with _reported(path):
                _begin(connection, meta)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, meta)

    def count(self) -> int:
        """How many items the file has."""
        with _reported(self._path):
            (count,) = self._connection.execute("SELECT count(*) FROM items").fetchone()
            return int(count)

    def read(self) -> Iterator[StagedRows]:
        """All items, in the order of their first insertion.

        Raises:
            CatalogueError: the file is damaged.
        """
        with _reported(self._path):
            cursor = self._connection.execute(_SELECT)
            while chunk := cursor.fetchmany(_READ_ROWS):
                ids, texts, documents, embeddings, vectors, biases, updated = zip(*chunk, strict=True)
                yield StagedRows(
                    ids=ids,
                    texts=texts,
                    documents=documents,
                    embeddings=from_blobs(embeddings, self._meta.kind, self._meta.hidden, self._path),
                    vectors=from_blobs(vectors, self._meta.kind, self._meta.dimensions, self._path),
                    biases=np.array(biases, np.float32),
                    updated=np.array(updated, np.float64),
                )

    def upsert(self, batch: StagedRows) -> None:
        """Insert items or replace those that are there, which keep their place; durable on return.

        Raises:
            CatalogueError: the file cannot be written; nothing was kept.
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
        with _reported(self._path), _transaction(self._connection):
            self._connection.executemany(_UPSERT, rows)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete items; durable on return.

        Raises:
            CatalogueError: the file cannot be written; nothing was deleted.
        """
        with _reported(self._path), _transaction(self._connection):
            self._connection.executemany("DELETE FROM items WHERE id = ?", [(item_id,) for item_id in ids])

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    if not path.parent.is_dir():
        raise CatalogueError(f"{path}: there is no folder {path.parent}; make it or name another file")
    with _reported(path):
        # Autocommit: transactions begin and end where this module says.
        connection = sqlite3.connect(path, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False)
    try:
        with _reported(path):
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA synchronous = FULL")
            with _transaction(connection):  # the lock is taken here, and kept
                pass
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """SQLite's errors in the words of who has to mend them."""
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
                    f"{path} is damaged or no catalogue ({error}); put back a copy of it, or delete it to begin again "
                    "with the bundle's items"
                ) from error
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY:
                raise CatalogueError(
                    f"{path} cannot be opened for writing ({error}); name a file that can be, with --catalogue PATH"
                ) from error
            case _:
                raise CatalogueError(
                    f"{path} cannot be read or written ({error}), and nothing of this change was kept; see to the "
                    "disk's space and the file's permissions"
                ) from error


def _begin(connection: sqlite3.Connection, meta: Meta) -> None:
    with _transaction(connection):
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


def _copy(seed: Path, connection: sqlite3.Connection, meta: Meta) -> None:
    """Copy the seed in one transaction: a kill on the way leaves the file empty, to be seeded again."""
    source = _connect_to_seed(seed)
    with _reported(seed):
        try:
            _check(seed, source, meta)
            source.backup(connection)
        finally:
            source.close()


def _connect_to_seed(seed: Path) -> sqlite3.Connection:
    if not seed.is_file():
        raise CatalogueError(f"{seed}, the bundle's catalogue, is missing; copy the bundle again or export it again")
    with _reported(seed):
        # Immutable: no lock and no journal beside it, so that the bundle may lie on a medium that cannot be written.
        return sqlite3.connect(
            f"{seed.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )


def _check(path: Path, connection: sqlite3.Connection, meta: Meta) -> VectorKind:
    """Check that the vectors in the file may be compared with the model's; returns how they are kept."""
    try:
        found = dict(connection.execute("SELECT name, value FROM meta"))
    except sqlite3.OperationalError:
        raise CatalogueError(f"{path} is an SQLite file but no catalogue; name another file") from None
    if found.get("schema") != str(SCHEMA):
        raise CatalogueError(
            f"{path} has schema {found.get('schema')}, this Emberline reads {SCHEMA}; name another file"
        )
    if found.get("fingerprint") != meta.fingerprint:
        raise CatalogueError(
            f"{path} was made by another encoder (its fingerprint is {found.get('fingerprint')}, the bundle's "
            f"{meta.fingerprint}), so their vectors cannot be compared; name another file with --catalogue PATH and "
            "upsert its items there, which encodes them anew, or delete it to begin again with the bundle's items"
        )
    kinds = {numbers: kind for kind, numbers in NUMBERS.items()}
    kind = kinds.get(found.get("storage", ""))
    if kind is None:
        raise CatalogueError(
            f"{path} has storage {found.get('storage')}, this Emberline reads {', '.join(kinds)}; name another file"
        )
    for name, value in _entries(replace(meta, kind=kind)).items():
        if found.get(name) != value:
            raise CatalogueError(f"{path} has {name} {found.get(name)}, the bundle has {value}; name another file")
    check_convertible(path, kind, meta.kind)
    return kind
