"""The indexer: a thread that keeps the index of a large catalogue behind its changes."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from threading import Event, Thread
from typing import Final

from emberline.engine.errors import MissingExtra

from .snapshot import Snapshot

#: Seconds between two looks at what has changed.
_PAUSE: Final = 0.25


class Indexer:
    """Builds the index once a catalogue is large enough, and adds what is upserted. Searches are exact until then."""

    def __init__(self, snapshot: Callable[[], Snapshot], least: int) -> None:
        """Begin.

        Args:
            snapshot: returns the current view of the catalogue.
            least: number of items from which it gets an index.
        """
        self._snapshot = snapshot
        self._least = least
        self._ending = Event()
        self._thread = Thread(target=self._run, name="catalogue-indexer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, within a moment."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(_PAUSE):
            snapshot = self._snapshot()
            if len(snapshot) >= self._least:
                neighbours = snapshot.contents.neighbours
                neighbours.extend(snapshot.vectors, snapshot.biases, snapshot.live, self._ending.is_set)


def check_installed(least: int) -> None:
    """Check that a catalogue can get an index; `least` is 0 if it never does.

    Raises:
        MissingExtra: usearch is not installed.
    """
    if least and find_spec("usearch") is None:
        raise MissingExtra("approximate search", "ann", "usearch")
