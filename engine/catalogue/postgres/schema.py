"""The schema of a database with shared catalogues, and its migrations from one version to the next."""

from __future__ import annotations

from typing import Final

from emberline.engine.errors import CatalogueError

from .database import Connection

#: Each entry brings the schema from the version of its index to the next one. An entry never changes once released.
MIGRATIONS: Final = (
    """
    CREATE TABLE emberline_catalogues (
        number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        fingerprint text NOT NULL,
        hidden integer NOT NULL,
        dimensions integer NOT NULL,
        numbers text NOT NULL,
        version bigint NOT NULL DEFAULT 0,
        forgotten bigint NOT NULL DEFAULT 0,
        ready boolean NOT NULL DEFAULT false,
        retired timestamptz,
        UNIQUE (name, fingerprint)
    );
    CREATE TABLE emberline_deletions (
        catalogue integer NOT NULL REFERENCES emberline_catalogues ON DELETE CASCADE,
        id text NOT NULL,
        version bigint NOT NULL,
        deleted timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (catalogue, id)
    );
    CREATE INDEX emberline_deletions_version ON emberline_deletions (catalogue, version);
    """,
)
#: Before it, a vacuum could damage an HNSW index.
_PGVECTOR: Final = (0, 8, 4)
#: Key of the lock that one server holds while it changes the schema: the first eight letters of the project's name.
_LOCK: Final = int.from_bytes(b"emberlin")


def migrate(connection: Connection, name: str) -> None:
    """Bring the database's schema to this version. Servers that start at the same time wait for each other.

    Args:
        connection: a connection outside of any transaction.
        name: the database, for messages.

    Raises:
        CatalogueError: the database lacks pgvector or UTF-8, or has the schema of a newer Emberline.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        _check_encoding(connection, name)
        _check_pgvector(connection, name)
        connection.execute("CREATE TABLE IF NOT EXISTS emberline_schema (version integer NOT NULL)")
        (found,) = connection.execute("SELECT coalesce(max(version), 0) FROM emberline_schema").fetchone() or (0,)
        assert isinstance(found, int)
        if found > len(MIGRATIONS):
            raise CatalogueError(
                f"{name} has schema {found}, and this Emberline knows {len(MIGRATIONS)}; serve it with the newer "
                "Emberline that made it"
            )
        for version, statements in enumerate(MIGRATIONS[found:], found + 1):
            connection.execute(statements.encode())
            connection.execute("DELETE FROM emberline_schema")
            connection.execute("INSERT INTO emberline_schema VALUES (%s)", (version,))


def _check_encoding(connection: Connection, name: str) -> None:
    (encoding,) = connection.execute("SHOW server_encoding").fetchone() or ("",)
    if encoding != "UTF8":
        raise CatalogueError(f"{name} stores text as {encoding}; make a database with ENCODING 'UTF8'")


def _check_pgvector(connection: Connection, name: str) -> None:
    query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    found = connection.execute(query).fetchone()
    if found is None:
        if connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone() is None:
            raise CatalogueError(f"{name} is on a server without pgvector; install pgvector 0.8.4 or later there")
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        found = connection.execute(query).fetchone() or ("0",)
    if tuple(int(part) for part in str(found[0]).split(".")) < _PGVECTOR:
        raise CatalogueError(
            f"{name} has pgvector {found[0]}, which can damage an index; update it to 0.8.4 or later, and then "
            "ALTER EXTENSION vector UPDATE"
        )
