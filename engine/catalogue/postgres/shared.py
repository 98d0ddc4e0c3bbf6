"""The shared catalogue: its items are in a database, and each server has a view of them in memory.

A change is a transaction. The view is brought up to date by the follower alone, from what the transactions left, so
all servers have the same view, and none sees half a change. A call that changes something returns when its own view
has the change. While the database is away, reads go on from memory, and changes are refused until it is back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Condition, Lock
from typing import Final, TypeVar

import psycopg

from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.catalogue.kinds import VectorKind
from emberline.engine.catalogue.meta import Meta
from emberline.engine.catalogue.rows import Rows, copied
from emberline.engine.catalogue.staging import staged_rows
from emberline.engine.catalogue.store import Store
from emberline.engine.errors import CatalogueUnavailable
from emberline.engine.records import StoredItem

from .database import Connection, Database
from .follower import Follower
from .lineage import Lineage
from .table import CatalogueTable

T = TypeVar("T")

#: Seconds that a change waits for the server's own view to have it.
_VISIBLE: Final = 10.0
#: Rows of a copy that are written at a time.
_COPIED_ROWS: Final = 8192


class SharedCatalogue(Catalogue):
    """An open catalogue in a database; see `opening.py` for how it is opened."""

    def __init__(self, database: Database, table: CatalogueTable, name: str, kind: VectorKind, *, ready: bool) -> None:
        """Read the items, and begin to follow their changes.

        Args:
            database: where the catalogue is.
            table: the catalogue's table.
            name: name of the catalogue.
            kind: number format of vectors in memory.
            ready: whether the catalogue is complete.

        Raises:
            psycopg.Error: the catalogue cannot be read.
        """
        meta = table.meta
        super().__init__(Meta(meta.fingerprint, meta.hidden, meta.dimensions, kind), 0)
        self._database = database
        self._table = table
        self._name = name
        self._ready = ready
        self._version = -1  # of the last change that the view has
        self._lineage: Lineage | None = None
        self._changed = Condition()
        self._writing = Lock()
        self._writer: Connection | None = None
        self._guard: Connection | None = None  # holds the lock of an incomplete catalogue
        with database.connect() as connection:
            self._refresh(connection)
        self._follower = Follower(database, table.channel, self._refresh)
        self._follower.start()

    @property
    def age(self) -> float:
        """Seconds since the view in memory was last known to be current."""
        return self._follower.age

    def upsert(self, items: Sequence[StoredItem]) -> tuple[int, int]:
        """Add or replace items; see `Catalogue.upsert`.

        Raises:
            CatalogueUnavailable: the database is not available, or the change is not visible yet. It is safe to send
                it again.
        """
        batch = staged_rows(items, self._table.meta)
        version, replaced = self._write(lambda connection: self._table.upsert(connection, batch))
        self._await(version)
        return len(items) - replaced, replaced

    def delete(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Delete items; see `Catalogue.delete` and `upsert`."""
        asked = tuple(dict.fromkeys(ids))
        version, known = self._write(lambda connection: self._table.delete(connection, asked))
        self._await(version)
        return tuple(item_id for item_id in asked if item_id not in set(known))

    def backup(self, path: Path) -> None:
        """Write the view to an SQLite file; see `Catalogue.backup`."""
        snapshot = self.snapshot()
        with closing(Store.create(path, self._meta)) as store:
            rows = snapshot.rows()
            for start in range(0, len(rows), _COPIED_ROWS):
                store.upsert(copied(snapshot, rows[start : start + _COPIED_ROWS]))

    def successor(self, *, fingerprint: str, hidden: int, dimensions: int, kind: VectorKind) -> Catalogue:
        """Create an empty catalogue in the same database; see `Catalogue.successor`.

        If another server is making it, wait for that one, and return what it has made.
        """
        meta = Meta(fingerprint, hidden, dimensions, kind)
        with self._database.translated_errors():
            guard = self._database.connect()
            try:
                table, ready = self._table.successor(guard, self._name, meta)
                successor = type(self)(self._database, table, self._name, kind, ready=ready)
            except BaseException:
                guard.close()
                raise
        if ready:
            guard.close()
        else:
            successor._guard = guard
        return successor

    def freeze(self) -> None:
        """Hold back the changes of all servers until `thaw`, by a lock that ends with this process."""
        self._writing.acquire()
        try:
            with self._database.translated_errors():
                self._writer = self._writer or self._database.connect()
                version = self._table.freeze(self._writer)
            self._await(version)
        except BaseException:
            self.thaw()
            raise

    def thaw(self) -> None:
        """Let changes pass again; see `freeze`."""
        with suppress(psycopg.Error):
            if self._writer:
                self._writer.execute("ROLLBACK")  # a warning, and no error, if `take_place_of` has committed
        self._writing.release()

    def take_place_of(self, other: Catalogue) -> None:
        """Declare this catalogue complete and the other one retired, in one transaction."""
        assert isinstance(other, SharedCatalogue)
        connection = other._writer
        assert connection  # the other one is frozen
        with self._database.translated_errors():
            self._table.finish(connection)
            other._table.retire(connection)
            connection.execute("COMMIT")
        self._ready = True
        self._release()

    def close(self) -> None:
        """Stop following, and close the connections. Snapshots stay valid."""
        super().close()
        self._follower.close()
        self._release()
        with self._writing:
            self._disconnect()

    def discard(self) -> None:
        """Close a successor that took no place, and remove its table."""
        self._follower.close()
        with suppress(psycopg.Error):
            if self._guard and not self._ready:
                self._table.drop(self._guard)
        self.close()

    def _release(self) -> None:
        if self._guard:
            self._guard.close()
            self._guard = None

    def _disconnect(self) -> None:
        if self._writer:
            with suppress(psycopg.Error):
                self._writer.close()
            self._writer = None

    def _write(self, change: Callable[[Connection], T]) -> T:
        """Make a change. A connection that was lost is replaced once, since a change may be made twice.

        Raises:
            CatalogueUnavailable, CatalogueError: see `Database.translated_errors`.
        """
        with self._writing, self._database.translated_errors():
            if self._writer is not None:
                try:
                    return change(self._writer)
                except psycopg.Error:
                    if not self._writer.broken and not self._writer.closed:
                        raise
                    self._disconnect()
            self._writer = self._database.connect()
            try:
                return change(self._writer)
            except psycopg.OperationalError:
                self._disconnect()
                raise

    def _await(self, version: int) -> None:
        """Wait until the view has a change.

        Raises:
            CatalogueUnavailable: it does not have it in time; the change is stored, and may be made again.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._version >= version, _VISIBLE):
                raise CatalogueUnavailable(f"{self._database.name} has stored the change, but does not show it yet")

    def _refresh(self, connection: Connection) -> None:
        """Bring the view up to date. Only one thread at a time calls it."""
        lineage = Lineage.of(connection)
        version, _ = self._table.versions(connection)
        if version == self._version and lineage == self._lineage:
            return
        with connection.transaction():
            # One moment for all statements of the transaction.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            version, forgotten = self._table.versions(connection)
            if lineage == self._lineage and forgotten <= self._version <= version:
                self._catch_up(connection)
            else:
                self._read(connection)
        self._lineage = lineage
        with self._changed:
            self._version = version
            self._changed.notify_all()

    def _read(self, connection: Connection) -> None:
        """Read all items, while the view shows what it has shown so far."""
        meta = self._meta
        rows = Rows(meta.hidden, meta.dimensions, meta.kind, self._table.count(connection))
        snapshot = rows.empty()
        for batch in self._table.read(connection, meta.kind):
            snapshot = rows.stage(snapshot, batch)
            rows.publish(snapshot)
        self._rows, self._snapshot = rows, snapshot

    def _catch_up(self, connection: Connection) -> None:
        """Show the changes since the view's version, all at once."""
        staged = self._snapshot
        try:
            for batch in self._table.read(connection, self._meta.kind, since=self._version):
                staged = self._rows.stage(staged, batch)
            deleted = self._table.deleted(connection, self._version)
        except BaseException:
            self._rows.drop()
            raise
        self._rows.publish(staged)
        gone = [row for row in map(staged.position, deleted) if row is not None]
        self._publish(self._rows.without(staged, gone) if gone else staged)
