"""The catalogue: the items that can be recommended, with the vectors that the model gave them.

Upserted items are durable and recommendable when the call returns. They are stored in a file of the server's own
(`EmbeddedCatalogue`) or in a database that several servers share (`SharedCatalogue`), and appear in the next
`Snapshot`, which is the view in memory that readers use. Readers wait neither for the storage nor for writers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from emberline.engine.records import StoredItem

from .indexer import Indexer
from .kinds import VectorKind
from .meta import Meta
from .rows import Rows
from .snapshot import Snapshot


class Catalogue(ABC):
    """An open catalogue. All methods may be called from any thread."""

    def __init__(self, meta: Meta, expected: int) -> None:
        """Begin with an empty view in memory.

        Args:
            meta: description of the vectors, as they are in memory.
            expected: number of items that will be read at first.
        """
        self._meta = meta
        self._ready = True
        self._indexer: Indexer | None = None
        self._rows = Rows(meta.hidden, meta.dimensions, meta.kind, expected)
        self._snapshot = self._rows.empty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the encoder and tower that made the vectors."""
        return self._meta.fingerprint

    @property
    def ready(self) -> bool:
        """Whether all items are there; false for a `successor` until it has taken the other one's place."""
        return self._ready

    @property
    def age(self) -> float:
        """Seconds since the view in memory was last known to be current. Nobody else writes a server's own file."""
        return 0.0

    def snapshot(self) -> Snapshot:
        """Return the current view of the catalogue."""
        return self._snapshot

    def get(self, ids: Sequence[str]) -> tuple[tuple[StoredItem, ...], tuple[str, ...]]:
        """Return the items with these ids, each once and in this order, and the ids that are not in the catalogue."""
        return self._snapshot.get(ids)

    @abstractmethod
    def upsert(self, items: Sequence[StoredItem]) -> tuple[int, int]:
        """Add items, or replace those with the same id, all or none. A replaced item keeps its position in the order.

        The items are durable and in the next snapshot on return.

        Returns:
            The number of inserted items, and of replaced ones.

        Raises:
            InvalidInput: an id is empty or occurs twice, a vector has another width or is not finite, or attributes
                cannot be stored as JSON.
            CatalogueError: the catalogue cannot be written.
        """

    @abstractmethod
    def delete(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Delete items. The deletion is durable and in the next snapshot on return.

        Returns:
            The ids that the catalogue does not have, each once.

        Raises:
            CatalogueError: the catalogue cannot be written.
        """

    @abstractmethod
    def backup(self, path: Path) -> None:
        """Write a copy of the catalogue as it is at one moment, as an SQLite file. Readers do not wait.

        Args:
            path: the copy, which must not exist.

        Raises:
            CatalogueError: the copy cannot be written.
        """

    @abstractmethod
    def successor(self, *, fingerprint: str, hidden: int, dimensions: int, kind: VectorKind) -> Catalogue:
        """Create an empty catalogue to take this one's place later. An earlier one's leftovers are removed.

        Args:
            fingerprint: fingerprint of the encoder and tower that its vectors will come from.
            hidden: H, the width of an embedding.
            dimensions: D, the width of a vector.
            kind: number format of vectors.

        Raises:
            CatalogueError: it cannot be created.
        """

    @abstractmethod
    def freeze(self) -> None:
        """Hold back all changes, those of other servers too, and bring the view up to date; `thaw` ends it.

        Raises:
            CatalogueError: the catalogue cannot be reached.
        """

    @abstractmethod
    def thaw(self) -> None:
        """Let changes pass again. A catalogue whose place another one has taken refuses them from then on."""

    @abstractmethod
    def take_place_of(self, other: Catalogue) -> None:
        """Take the place of another one, whose `successor` this is; the other's snapshots stay valid.

        At any moment the place holds the whole of one or of the other.

        Raises:
            CatalogueError: the place cannot be taken; the other catalogue stays open.
        """

    def index_from(self, items: int) -> None:
        """Keep an index of the items for approximate search, in the background, once there are this many; 0: never."""
        if items and self._indexer is None:
            self._indexer = Indexer(self.snapshot, items)

    def close(self) -> None:
        """Close the storage. Snapshots stay valid."""
        if self._indexer:
            self._indexer.close()
            self._indexer = None

    @abstractmethod
    def discard(self) -> None:
        """Close a successor that took no place, and remove it."""

    def _publish(self, snapshot: Snapshot) -> None:
        compacted = self._rows.compacted(snapshot)
        if compacted:
            self._rows, snapshot = compacted
        self._snapshot = snapshot
