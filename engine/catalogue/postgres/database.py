"""The database of a shared catalogue: how connections are made, and what their errors mean to a caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from emberline.engine.errors import CatalogueError, CatalogueUnavailable, ConfigError

from .vectors import register

Connection = psycopg.Connection[tuple[object, ...]]

#: How soon a database that is gone is noticed, in libpq's words; what the URL says comes before it.
_DEFAULTS: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "emberline",
}
#: A server that stops in the middle of a change would hold all others up, and so does a change that never ends.
_SESSION: Final = {
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
}


class Database:
    """The database that a URL names. Connections are made on demand.

    Attributes:
        name: the URL without its password, for messages.
    """

    def __init__(self, url: str) -> None:
        """Read the URL; nothing is connected yet.

        Raises:
            ConfigError: the URL is not valid.
        """
        try:
            self._parameters: dict[str, Any] = {**_DEFAULTS, **conninfo_to_dict(url)}
        except psycopg.ProgrammingError as error:
            raise ConfigError(f"catalogue is not a valid PostgreSQL URL ({first_line(error)})") from None
        user, host, database = (self._parameters.get(key) for key in ("user", "host", "dbname"))
        self.name = f"postgresql://{f'{user}@' if user else ''}{host or ''}/{database or ''}"

    def connect(self) -> Connection:
        """Open a connection, on which each statement is a transaction unless it is in one.

        Raises:
            psycopg.Error: there is no connection.
        """
        connection: Connection = psycopg.connect(**self._parameters, autocommit=True)
        try:
            for name, value in _SESSION.items():
                connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), value))
            register(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turn the database's errors into errors that say what to do.

        Raises:
            CatalogueUnavailable: the database cannot be reached, or is busy; it may work later.
            CatalogueError: the database refuses what is asked.
        """
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction) as error:
            raise CatalogueUnavailable(f"{self.name} is not available ({first_line(error)})") from error
        except psycopg.Error as error:
            raise CatalogueError(
                f"{self.name} cannot be read or written ({first_line(error)}); check the database and its user's rights"
            ) from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0]
