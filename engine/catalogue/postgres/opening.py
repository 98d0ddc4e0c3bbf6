"""Opening a shared catalogue: the first server to come makes it, and fills it with the bundle's items."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from emberline.engine.catalogue.kinds import VECTOR_KINDS
from emberline.engine.catalogue.meta import Meta
from emberline.engine.catalogue.rows import StagedRows
from emberline.engine.catalogue.store import Store
from emberline.engine.catalogue.stored_vectors import StoredVectors
from emberline.engine.errors import CatalogueError
from emberline.engine.files import BundleFile

from .database import Connection, Database
from .schema import migrate
from .shared import SharedCatalogue
from .table import CatalogueTable

#: First key of the lock on opening a catalogue; the second is made from its name.
_OPENING: Final = 0x6D626572


def open_shared(url: str, name: str, seed: BundleFile, meta: Meta) -> SharedCatalogue:
    """Open a shared catalogue. If the database has none of this name, make it with the items of the seed.

    Args:
        url: the database.
        name: name of the catalogue.
        seed: the bundle's catalogue.
        meta: description of the vectors that the bundle makes, as they are kept in memory.

    Raises:
        ConfigError: the URL is not valid.
        CatalogueUnavailable: the database is not available.
        CatalogueError: the catalogue was made by another encoder or has smaller vectors, or the database cannot be
            used.
    """
    database = Database(url)
    with database.translated_errors(), database.connect() as connection:
        migrate(connection, database.name)
        with _opening(connection, name):
            found = CatalogueTable.find(connection, name, meta.fingerprint)
            if found is None:
                _check_new(connection, database, name, meta)
                table = _seeded(connection, name, seed, meta)
            else:
                table, ready, retired = found
                _check_found(table, database, name, meta, ready=ready, retired=retired)
        return SharedCatalogue(database, table, name, meta.kind, ready=True)


def open_outdated_shared(url: str, name: str, meta: Meta) -> SharedCatalogue | None:
    """Open the shared catalogue if another encoder than the bundle's made it; see `open_outdated`."""
    database = Database(url)
    with database.translated_errors(), database.connect() as connection:
        migrate(connection, database.name)
        found = CatalogueTable.find(connection, name, meta.fingerprint)
        current = CatalogueTable.current(connection, name)
        if current is None or (found is not None and current == found[0]):
            return None
        return SharedCatalogue(database, current, name, current.meta.kind, ready=True)


@contextmanager
def _opening(connection: Connection, name: str) -> Iterator[None]:
    """Open a catalogue in a transaction, while other servers wait."""
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL lock_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_OPENING, name))
        yield


def _check_new(connection: Connection, database: Database, name: str, meta: Meta) -> None:
    current = CatalogueTable.current(connection, name)
    if current is not None:
        raise CatalogueError(
            f"the catalogue {name!r} in {database.name} was made by another encoder (its fingerprint is "
            f"{current.meta.fingerprint}, the bundle's {meta.fingerprint}), so their vectors cannot be compared; start "
            "with --reencode, which encodes its items again for all servers, or name another one with --catalogue-name"
        )


def _check_found(
    table: CatalogueTable, database: Database, name: str, meta: Meta, *, ready: bool, retired: bool
) -> None:
    described = f"the catalogue {name!r} in {database.name}"
    if retired:
        raise CatalogueError(
            f"{described} belongs to a newer bundle by now; serve that one, or start with --reencode, which encodes "
            "its items again for this bundle and all servers"
        )
    if not ready:
        raise CatalogueError(
            f"{described} is being encoded for this bundle, or was when a server was stopped; start with --reencode, "
            "which waits for it, or does it again"
        )
    for what in ("hidden", "dimensions"):
        if getattr(table.meta, what) != getattr(meta, what):
            raise CatalogueError(
                f"{described} has {what} {getattr(table.meta, what)}, the bundle has {getattr(meta, what)}; name "
                "another one with --catalogue-name"
            )
    if VECTOR_KINDS.index(table.meta.kind) > VECTOR_KINDS.index(meta.kind):
        raise CatalogueError(
            f"{described} stores vectors as {table.meta.kind}, which cannot be restored to {meta.kind}; serve it with "
            f"--catalogue-vectors {table.meta.kind}"
        )


def _seeded(connection: Connection, name: str, seed: BundleFile, meta: Meta) -> CatalogueTable:
    table = CatalogueTable.create(connection, name, meta)
    with closing(Store.read_only(seed, Meta(meta.fingerprint, meta.hidden, meta.dimensions, "fp32"))) as store:
        for batch in store.read():
            table.insert(connection, _converted(batch, table), version=0)
    table.finish(connection)
    return table


def _converted(batch: StagedRows, table: CatalogueTable) -> StagedRows:
    kind = table.meta.kind
    return StagedRows(
        batch.ids,
        batch.texts,
        batch.documents,
        StoredVectors.of(batch.embeddings[:], kind),
        StoredVectors.of(batch.vectors[:], kind),
        batch.biases,
        batch.updated,
    )
