"""The table of a shared catalogue's items, and its entry in the table of catalogues.

Each change increments the catalogue's version, in the transaction that makes it. The row with the version is locked
from the first statement to the commit, so changes are committed in the order of their versions: whoever has seen a
version has seen all before it. An item has the version of its last change; a deleted one leaves its id and the version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from psycopg import sql

from emberline.engine.catalogue.kinds import VectorKind
from emberline.engine.catalogue.meta import Meta
from emberline.engine.catalogue.rows import StagedRows
from emberline.engine.errors import CatalogueUnavailable

from .database import Connection
from .vectors import COLUMNS, KEPT, decoded, encoded

#: Rows read at a time: enough to make the cost of a call negligible, and only 20 MB.
_READ_ROWS: Final = 8192
#: How long deletions are remembered. A view that is older is read again as a whole.
_REMEMBERED: Final = "7 days"
#: First key of the lock on making the successor of a catalogue; the second is the catalogue's number.
_MAKING: Final = 0x656D6265

_CREATE: Final = """
CREATE TABLE {items} (
    place bigint GENERATED ALWAYS AS IDENTITY,
    id text PRIMARY KEY,
    text text NOT NULL,
    attributes jsonb NOT NULL,
    embedding {numbers}({hidden}) NOT NULL,
    vector {numbers}({dimensions}) NOT NULL,
    bias real NOT NULL,
    updated double precision NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX ON {items} (version)
"""
_SELECT: Final = "SELECT place, id, text, attributes::text, embedding, vector, bias, updated FROM {items}"
_UPSERT: Final = """
INSERT INTO {items} (id, text, attributes, embedding, vector, bias, updated, version)
VALUES (%s, %s, %s::jsonb, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET text = excluded.text, attributes = excluded.attributes, embedding = excluded.embedding,
    vector = excluded.vector, bias = excluded.bias, updated = excluded.updated, version = excluded.version
"""


@dataclass(frozen=True, slots=True)
class CatalogueTable:
    """A catalogue in a database.

    Attributes:
        number: number of the catalogue.
        meta: description of the vectors, as they are in the table: fp32 or fp16.
    """

    number: int
    meta: Meta

    @classmethod
    def find(cls, connection: Connection, name: str, fingerprint: str) -> tuple[Self, bool, bool] | None:
        """Return a catalogue, whether it is complete, and whether another one has taken its place; None: there is none.

        Args:
            connection: a connection to the database.
            name: name of the catalogue.
            fingerprint: fingerprint of the encoder that made its vectors.
        """
        row: Any = connection.execute(
            "SELECT number, hidden, dimensions, numbers, ready, retired IS NOT NULL FROM emberline_catalogues "
            "WHERE name = %s AND fingerprint = %s",
            (name, fingerprint),
        ).fetchone()
        if row is None:
            return None
        number, hidden, dimensions, numbers, ready, retired = row
        return cls(number, Meta(fingerprint, hidden, dimensions, KEPT[numbers])), ready, retired

    @classmethod
    def current(cls, connection: Connection, name: str) -> Self | None:
        """Return the catalogue of a name that servers use now; None if there is none."""
        row: Any = connection.execute(
            "SELECT fingerprint FROM emberline_catalogues WHERE name = %s AND ready AND retired IS NULL "
            "ORDER BY number DESC",
            (name,),
        ).fetchone()
        found = cls.find(connection, name, row[0]) if row else None
        return found[0] if found else None

    @classmethod
    def create(cls, connection: Connection, name: str, meta: Meta) -> Self:
        """Create an empty catalogue, which is not complete yet."""
        numbers = COLUMNS[meta.kind]
        row: Any = connection.execute(
            "INSERT INTO emberline_catalogues (name, fingerprint, hidden, dimensions, numbers) "
            "VALUES (%s, %s, %s, %s, %s) RETURNING number",
            (name, meta.fingerprint, meta.hidden, meta.dimensions, numbers),
        ).fetchone()
        table = cls(row[0], Meta(meta.fingerprint, meta.hidden, meta.dimensions, KEPT[numbers]))
        statement = sql.SQL(_CREATE).format(
            items=table._items,
            numbers=sql.SQL(numbers),
            hidden=sql.Literal(meta.hidden),
            dimensions=sql.Literal(meta.dimensions),
        )
        connection.execute(statement)
        return table

    @property
    def channel(self) -> str:
        """Name of the channel on which changes are announced."""
        return f"emberline_{self.number}"

    @property
    def _items(self) -> sql.Identifier:
        return sql.Identifier(f"emberline_items_{self.number}")

    def drop(self, connection: Connection) -> None:
        """Remove the catalogue with its items."""
        with connection.transaction():
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._items))
            connection.execute("DELETE FROM emberline_catalogues WHERE number = %s", (self.number,))

    def versions(self, connection: Connection) -> tuple[int, int]:
        """Return the version of the last change, and the version up to which deletions are no longer known.

        Raises:
            CatalogueUnavailable: the catalogue was removed.
        """
        row: Any = connection.execute(
            "SELECT version, forgotten FROM emberline_catalogues WHERE number = %s", (self.number,)
        ).fetchone()
        if row is None:
            raise CatalogueUnavailable(f"the catalogue {self.number} was removed from the database")
        version, forgotten = row
        return version, forgotten

    def count(self, connection: Connection) -> int:
        """Return the number of items."""
        row: Any = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(self._items)).fetchone()
        return int(row[0])

    def read(self, connection: Connection, kind: VectorKind, since: int | None = None) -> Iterator[StagedRows]:
        """Read items in chunks, in any order: each has its place. Call it within a transaction.

        Args:
            connection: a connection in a transaction.
            kind: number format of the vectors that are returned.
            since: version after whose changes to read; None: all items.
        """
        query = sql.SQL(_SELECT).format(items=self._items)
        if since is not None:
            query += sql.SQL(" WHERE version > {}").format(sql.Literal(since))
        # On the server: a client's cursor would hold all of a large catalogue twice.
        with connection.cursor(f"read_{self.number}", binary=True) as cursor:
            cursor.execute(query)
            while chunk := cursor.fetchmany(_READ_ROWS):
                yield self._rows(chunk, kind)

    def _rows(self, chunk: Sequence[tuple[Any, ...]], kind: VectorKind) -> StagedRows:
        places, ids, texts, documents, embeddings, vectors, biases, updated = zip(*chunk, strict=True)
        return StagedRows(
            ids=ids,
            texts=texts,
            documents=documents,
            embeddings=decoded(embeddings, self.meta.kind, kind, self.meta.hidden),
            vectors=decoded(vectors, self.meta.kind, kind, self.meta.dimensions),
            biases=np.array(biases, np.float32),
            updated=np.array(updated, np.float64),
            places=np.array(places, np.int64),
        )

    def deleted(self, connection: Connection, since: int) -> tuple[str, ...]:
        """Return the ids that were deleted after a version, and not upserted again."""
        rows: Any = connection.execute(
            "SELECT id FROM emberline_deletions WHERE catalogue = %s AND version > %s", (self.number, since)
        ).fetchall()
        return tuple(item_id for (item_id,) in rows)

    def insert(self, connection: Connection, batch: StagedRows, version: int) -> None:
        """Insert or replace items, as part of the change with a version. A replaced item keeps its place."""
        rows = zip(
            batch.ids,
            batch.texts,
            batch.documents,
            encoded(batch.embeddings),
            encoded(batch.vectors),
            batch.biases.tolist(),
            batch.updated.tolist(),
            [version] * len(batch.ids),
            strict=True,
        )
        with connection.cursor() as cursor:
            cursor.executemany(sql.SQL(_UPSERT).format(items=self._items), rows)

    def upsert(self, connection: Connection, batch: StagedRows) -> tuple[int, int]:
        """Insert or replace items in one transaction.

        Returns:
            The version of the change, and the number of replaced items.

        Raises:
            CatalogueUnavailable: another catalogue has taken this one's place.
        """
        ids = list(batch.ids)
        with connection.transaction():
            version = self._begin(connection)
            count = sql.SQL("SELECT count(*) FROM {} WHERE id = ANY(%s)").format(self._items)
            row: Any = connection.execute(count, (ids,)).fetchone()
            self.insert(connection, batch, version)
            connection.execute(
                "DELETE FROM emberline_deletions WHERE catalogue = %s AND id = ANY(%s)", (self.number, ids)
            )
            self._announce(connection)
        return version, int(row[0])

    def delete(self, connection: Connection, ids: Sequence[str]) -> tuple[int, tuple[str, ...]]:
        """Delete items in one transaction.

        Returns:
            The version of the change, and the ids that were in the catalogue.

        Raises:
            CatalogueUnavailable: another catalogue has taken this one's place.
        """
        with connection.transaction():
            version = self._begin(connection)
            statement = sql.SQL("DELETE FROM {} WHERE id = ANY(%s) RETURNING id").format(self._items)
            rows: Any = connection.execute(statement, (list(ids),)).fetchall()
            known = tuple(item_id for (item_id,) in rows)
            connection.execute(
                "INSERT INTO emberline_deletions (catalogue, id, version) SELECT %s, unnest(%s::text[]), %s",
                (self.number, list(known), version),
            )
            self._forget(connection)
            self._announce(connection)
        return version, known

    def finish(self, connection: Connection) -> None:
        """Mark the catalogue as complete."""
        connection.execute("UPDATE emberline_catalogues SET ready = true WHERE number = %s", (self.number,))

    def retire(self, connection: Connection) -> None:
        """Mark the catalogue as one whose place another one has taken. It can be read, and no longer changed."""
        connection.execute("UPDATE emberline_catalogues SET retired = now() WHERE number = %s", (self.number,))

    def successor(self, connection: Connection, name: str, meta: Meta) -> tuple[Self, bool]:
        """Create the catalogue of another encoder, which is to take this one's place.

        Args:
            connection: a connection that is kept while the catalogue is made. It holds a lock, so that only one server
                makes it. If that one is killed, the next one begins anew.
            name: name of both catalogues.
            meta: description of the vectors.

        Returns:
            The catalogue, and whether it is complete, because another server has made it meanwhile.
        """
        connection.execute("SET statement_timeout = 0")
        connection.execute("SET lock_timeout = 0")
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (_MAKING, self.number))
        found = self.find(connection, name, meta.fingerprint)
        if found:
            table, ready, retired = found
            if ready and not retired:
                return table, True
            table.drop(connection)
        with connection.transaction():
            return self.create(connection, name, meta), False

    def freeze(self, connection: Connection) -> int:
        """Begin a transaction that holds all changes back; returns the version of the last one."""
        connection.execute("BEGIN")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
        row: Any = connection.execute(
            "SELECT version FROM emberline_catalogues WHERE number = %s FOR UPDATE", (self.number,)
        ).fetchone()
        return int(row[0])

    def _begin(self, connection: Connection) -> int:
        """Begin a change, which waits for others to be committed; returns its version."""
        row: Any = connection.execute(
            "UPDATE emberline_catalogues SET version = version + 1 WHERE number = %s AND retired IS NULL "
            "RETURNING version",
            (self.number,),
        ).fetchone()
        if row is None:
            raise CatalogueUnavailable(
                "the catalogue of another encoder has taken this one's place; send the change to a server with the "
                "newer bundle, or reload this one"
            )
        return int(row[0])

    def _announce(self, connection: Connection) -> None:
        connection.execute("SELECT pg_notify(%s, '')", (self.channel,))

    def _forget(self, connection: Connection) -> None:
        """Remove deletions that every view has seen, or will do without."""
        connection.execute(
            "WITH old AS (DELETE FROM emberline_deletions WHERE catalogue = %(number)s "
            f"AND deleted < now() - interval '{_REMEMBERED}' RETURNING version) "
            "UPDATE emberline_catalogues SET forgotten = greatest(forgotten, (SELECT max(version) FROM old)) "
            "WHERE number = %(number)s AND EXISTS (SELECT 1 FROM old)",
            {"number": self.number},
        )
