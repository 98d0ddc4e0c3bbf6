"""The rows behind a catalogue's snapshots, and how they are written.

There is one writer at a time; readers only touch snapshots. An upsert is *staged*: its rows are written beyond the end
of all snapshots. The caller makes it durable. Then it is *published*, or *dropped* if it could not be made durable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats

from .columns import Columns
from .kinds import VectorKind
from .neighbours import NeighbourIndex
from .newness import NewnessColumn
from .snapshot import Contents, Snapshot
from .stored_vectors import StoredVectors

#: Rows are compacted when there are more dead rows than this, and more than a quarter of the live ones. So the upserts
#: that cause a copy pay for it, and a search wastes at most a fifth of its time on dead rows.
_DEAD_ROWS: Final = 1024
_DEAD_SHARE: Final = 0.25
#: Growth factor of the buffers: with it, each row is copied three times in all, on average.
_GROWTH: Final = 1.5

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class StagedRows:
    """N items in columns, each id once.

    Attributes:
        ids: ids of the items.
        texts: texts of the items; mostly empty.
        documents: attributes of the items, as JSON.
        embeddings: (N, H) the encoder's vectors, in the catalogue's number format.
        vectors: (N, D) the item tower's vectors, in the same format.
        biases: (N,) the item tower's biases.
        updated: (N,) Unix time, in seconds.
        places: (N,) sort keys of the items in the catalogue's order; None: replaced items keep theirs, and new ones
            come last.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    documents: Sequence[str]
    embeddings: StoredVectors
    vectors: StoredVectors
    biases: Floats
    updated: NDArray[np.float64]
    places: NDArray[np.int64] | None = None


class Rows:
    """The rows of one catalogue, from one compaction to the next.

    Args:
        hidden: H, the width of an embedding.
        dimensions: D, the width of a vector.
        kind: number format of both.
        expected: number of rows that will be written at first. Space for more is reserved; unused, it costs no memory.
    """

    def __init__(self, hidden: int, dimensions: int, kind: VectorKind, expected: int = 0) -> None:
        capacity = math.ceil(expected * _GROWTH)
        self._length = 0
        self._next_place = 0
        self._embeddings = StoredVectors.empty(capacity, hidden, kind)
        self._vectors = StoredVectors.empty(capacity, dimensions, kind)
        self._biases = np.empty(capacity, np.float32)
        self._updated = np.empty(capacity, np.float64)
        self._order = np.empty(capacity, np.int64)
        documents: list[str] = []
        self._contents = Contents([], [], documents, [], {}, Columns(documents), NeighbourIndex(), NewnessColumn())

    def empty(self) -> Snapshot:
        """Return the initial snapshot, which has no rows."""
        return self._view(np.zeros(0, np.bool_))

    def stage(self, current: Snapshot, batch: StagedRows) -> Snapshot:
        """Write items beyond the end of all snapshots.

        Args:
            current: the snapshot that was published last, or staged last if none of its items is in the batch.
            batch: the items; they replace those of `current` with the same ids.

        Returns:
            The snapshot to publish once the items are durable.
        """
        start = len(self._contents.ids)
        end = start + len(batch.ids)
        self._reserve(end)
        self._embeddings.write(start, batch.embeddings)
        self._vectors.write(start, batch.vectors)
        self._biases[start:end] = batch.biases
        self._updated[start:end] = batch.updated
        first = self._next_place + start - self._length
        self._order[start:end] = np.arange(first, first + end - start) if batch.places is None else batch.places
        live = np.ones(end, np.bool_)
        live[:start] = current.live
        latest = self._contents.latest
        for row, item_id in enumerate(batch.ids, start):
            old = current.position(item_id)
            if old is not None:
                if batch.places is None:
                    self._order[row] = self._order[old]
                live[old] = False
            self._contents.previous.append(latest.get(item_id, -1))
        self._contents.ids.extend(batch.ids)
        self._contents.texts.extend(batch.texts)
        self._contents.documents.extend(batch.documents)
        return self._view(live)

    def publish(self, staged: Snapshot) -> None:
        """Make the staged items visible to `Snapshot.position`."""
        start, self._length = self._length, len(staged.live)
        self._next_place = max(self._next_place, int(self._order[start : self._length].max(initial=-1)) + 1)
        latest = self._contents.latest
        for row in range(start, self._length):
            latest[self._contents.ids[row]] = row

    def drop(self) -> None:
        """Discard the staged items."""
        contents = self._contents
        for entries in (contents.ids, contents.texts, contents.documents, contents.previous):
            del entries[self._length :]

    def without(self, current: Snapshot, rows: Sequence[int]) -> Snapshot:
        """Return the snapshot in which these live rows are dead."""
        live = current.live.copy()
        live[list(rows)] = False
        return self._view(live)

    def compacted(self, current: Snapshot) -> tuple[Rows, Snapshot] | None:
        """Copy the live rows in order; returns the copy and its snapshot, or None if few rows are dead."""
        dead = len(current.live) - len(current)
        if dead <= max(_DEAD_ROWS, _DEAD_SHARE * len(current)):
            return None
        rows = current.rows()
        batch = copied(current, rows)
        fresh = Rows(current.embeddings.shape[1], current.vectors.shape[1], current.vectors.kind, expected=len(rows))
        staged = fresh.stage(fresh.empty(), batch)
        fresh.publish(staged)
        fresh._next_place = self._next_place  # that of a deleted item is not given again
        return fresh, staged

    def _reserve(self, rows: int) -> None:
        if rows > len(self._order):
            capacity = max(rows, math.ceil(len(self._order) * _GROWTH))
            self._embeddings = self._embeddings.grown(capacity)
            self._vectors = self._vectors.grown(capacity)
            self._biases = _grown(self._biases, capacity)
            self._updated = _grown(self._updated, capacity)
            self._order = _grown(self._order, capacity)

    def _view(self, live: NDArray[np.bool_]) -> Snapshot:
        length = len(live)
        biases, updated, order = self._biases[:length], self._updated[:length], self._order[:length]
        for array in (biases, updated, order, live):
            array.flags.writeable = False
        return Snapshot(
            self._embeddings.head(length),
            self._vectors.head(length),
            biases,
            updated,
            order,
            live,
            count=int(np.count_nonzero(live)),
            contents=self._contents,
        )


def copied(snapshot: Snapshot, rows: NDArray[np.int64]) -> StagedRows:
    """Copy rows of a snapshot, bit for bit."""
    contents, numbers = snapshot.contents, rows.tolist()
    return StagedRows(
        ids=[contents.ids[row] for row in numbers],
        texts=[contents.texts[row] for row in numbers],
        documents=[contents.documents[row] for row in numbers],
        embeddings=snapshot.embeddings.take(rows),
        vectors=snapshot.vectors.take(rows),
        biases=snapshot.biases[rows],
        updated=snapshot.updated[rows],
        places=snapshot.order[rows],
    )


def _grown(array: NDArray[T], capacity: int) -> NDArray[T]:
    grown = np.empty(capacity, array.dtype)
    grown[: len(array)] = array
    return grown
