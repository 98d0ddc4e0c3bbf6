"""The growing rows behind a catalogue's snapshots: who may write them, and when.

One writer at a time; readers only touch snapshots. An upsert is *staged* (its rows are written where no snapshot
looks), made durable by the caller, and then *published*; or *dropped*, if it could not be made durable.
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
from .snapshot import Contents, Snapshot
from .stored_vectors import StoredVectors

#: Rows are compacted when the dead are more than these and than a quarter of the living: the upserts that made the copy
#: needful pay for it, and a search wastes at most a fifth of its time on the dead.
_DEAD_ROWS: Final = 1024
_DEAD_SHARE: Final = 0.25
#: Buffers grow by half: an insert then copies each row three times in all, on average.
_GROWTH: Final = 1.5

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class StagedRows:
    """N items in columns, each id once.

    Attributes:
        ids: of the items.
        texts: their texts; mostly empty.
        documents: their attributes as JSON.
        embeddings: (N, H), as the catalogue keeps them.
        vectors: (N, D), likewise.
        biases: (N,).
        updated: (N,) Unix time, seconds.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    documents: Sequence[str]
    embeddings: StoredVectors
    vectors: StoredVectors
    biases: Floats
    updated: NDArray[np.float64]


class Rows:
    """The rows of one catalogue, from one compaction to the next.

    Args:
        hidden: H, the width of an embedding.
        dimensions: D, the width of a vector.
        kind: how both are kept.
        expected: how many rows will come at once; room for more is reserved, which costs no memory until it is used.
    """

    def __init__(self, hidden: int, dimensions: int, kind: VectorKind, expected: int = 0) -> None:
        capacity = math.ceil(expected * _GROWTH)
        self._length = 0
        self._embeddings = StoredVectors.empty(capacity, hidden, kind)
        self._vectors = StoredVectors.empty(capacity, dimensions, kind)
        self._biases = np.empty(capacity, np.float32)
        self._updated = np.empty(capacity, np.float64)
        self._order = np.empty(capacity, np.int64)
        documents: list[str] = []
        self._contents = Contents([], [], documents, [], {}, Columns(documents))

    def empty(self) -> Snapshot:
        """The snapshot without a row, to begin with."""
        return self._view(np.zeros(0, np.bool_))

    def stage(self, now: Snapshot, batch: StagedRows) -> Snapshot:
        """Write items where no snapshot looks yet.

        Args:
            now: the snapshot that was published last.
            batch: the items; those that `now` has are replaced.

        Returns:
            The snapshot to publish once the items are durable.
        """
        start, end = self._length, self._length + len(batch.ids)
        self._reserve(end)
        self._embeddings.write(start, batch.embeddings)
        self._vectors.write(start, batch.vectors)
        self._biases[start:end] = batch.biases
        self._updated[start:end] = batch.updated
        # No place is higher than its row's number, so a new row's own number is the next place.
        self._order[start:end] = np.arange(start, end)
        live = np.ones(end, np.bool_)
        live[:start] = now.live
        latest = self._contents.latest
        for row, item_id in enumerate(batch.ids, start):
            old = now.position(item_id)
            if old is not None:
                self._order[row] = self._order[old]
                live[old] = False
            self._contents.previous.append(latest.get(item_id, -1))
        self._contents.ids.extend(batch.ids)
        self._contents.texts.extend(batch.texts)
        self._contents.documents.extend(batch.documents)
        return self._view(live)

    def publish(self, staged: Snapshot) -> None:
        """Let the staged items be found."""
        start, self._length = self._length, len(staged.live)
        latest = self._contents.latest
        for row in range(start, self._length):
            latest[self._contents.ids[row]] = row

    def drop(self) -> None:
        """Forget what was staged."""
        contents = self._contents
        for entries in (contents.ids, contents.texts, contents.documents, contents.previous):
            del entries[self._length :]

    def without(self, now: Snapshot, rows: Sequence[int]) -> Snapshot:
        """The snapshot in which some of the living rows are dead."""
        live = now.live.copy()
        live[list(rows)] = False
        return self._view(live)

    def compacted(self, now: Snapshot) -> tuple[Rows, Snapshot] | None:
        """Fresh rows with the living ones only, in the catalogue's order, and their snapshot; None if not worth it."""
        dead = len(now.live) - len(now)
        if dead <= max(_DEAD_ROWS, _DEAD_SHARE * len(now)):
            return None
        rows = now.rows()
        numbers = rows.tolist()
        contents = now.contents
        batch = StagedRows(
            ids=[contents.ids[row] for row in numbers],
            texts=[contents.texts[row] for row in numbers],
            documents=[contents.documents[row] for row in numbers],
            embeddings=now.embeddings.take(rows),
            vectors=now.vectors.take(rows),
            biases=now.biases[rows],
            updated=now.updated[rows],
        )
        fresh = Rows(now.embeddings.shape[1], now.vectors.shape[1], now.vectors.kind, expected=len(rows))
        staged = fresh.stage(fresh.empty(), batch)
        fresh.publish(staged)
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


def _grown(array: NDArray[T], capacity: int) -> NDArray[T]:
    grown = np.empty((capacity, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
