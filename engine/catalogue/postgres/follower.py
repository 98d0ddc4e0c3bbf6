"""The follower: a thread that keeps a view in memory current with a database, whatever happens to the connection."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Final

import psycopg
from psycopg import sql

from emberline.engine.errors import EmberlineError

from .database import Connection, Database, first_line

_log: Final = logging.getLogger(__name__)

#: Seconds after which to look for changes that were not announced: a database behind a standby announces none.
_POLL: Final = 0.25
#: Seconds between attempts to connect again.
_PAUSE: Final = 0.25


class Follower:
    """Calls a function on each change, and after each reconnection, on a connection and a thread of its own."""

    def __init__(self, database: Database, channel: str, refresh: Callable[[Connection], None]) -> None:
        """Prepare; nothing is followed yet.

        Args:
            database: where the changes are made.
            channel: name of the channel on which they are announced.
            refresh: brings the view up to date by a connection outside of any transaction.
        """
        self._database = database
        self._channel = channel
        self._refresh = refresh
        self._ending = Event()
        self._confirmed = time.monotonic()
        self._thread = Thread(target=self._run, name="catalogue-follower", daemon=True)

    @property
    def age(self) -> float:
        """Seconds since the view was last known to be current."""
        return time.monotonic() - self._confirmed

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Stop, within a moment."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        connected = True  # so that the first loss is logged
        while not self._ending.is_set():
            try:
                with self._database.connect() as connection:
                    self._look(connection)
                    if not connected:
                        _log.warning("%s is back, and the catalogue is current", self._database.name)
                        connected = True
                    self._follow(connection)
            except (psycopg.Error, EmberlineError) as error:
                if connected and not self._ending.is_set():
                    _log.warning(
                        "%s is not available (%s); the catalogue in memory is served until it is back",
                        self._database.name,
                        first_line(error),
                    )
                connected = False
                self._ending.wait(_PAUSE)
            except Exception:  # a fault of ours must not leave the view behind for ever
                _log.exception("the catalogue could not be brought up to date; trying again")
                self._ending.wait(_PAUSE)

    def _follow(self, connection: Connection) -> None:
        listens = connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
        if listens:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        while not self._ending.is_set():
            self._look(connection)
            if listens:
                for _ in connection.notifies(timeout=_POLL, stop_after=1):
                    pass
            else:
                self._ending.wait(_POLL)

    def _look(self, connection: Connection) -> None:
        began = time.monotonic()
        self._refresh(connection)
        self._confirmed = began
