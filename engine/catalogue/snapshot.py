"""Snapshots: immutable views of the catalogue in memory.

Taking a snapshot costs nothing, and it stays valid while it is held. Rows are append-only. An item that is replaced
gets a new row at the end, and its old row is dead; so is the row of a deleted item. A row is written before the first
snapshot with it is published, and never again. So a reader sees neither half a row nor a mixture of two versions,
however long it takes and whatever is upserted meanwhile. A snapshot takes one byte per row (`live`); its arrays are
views of buffers that grow ahead (see `rows.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats, Item, StoredItem, Value

from .columns import Columns, Mask
from .neighbours import NeighbourIndex
from .newness import NewnessColumn
from .stored_vectors import StoredVectors


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of rows that are not arrays. All snapshots share them, and ignore rows beyond their own length.

    Attributes:
        ids: id of each row's item.
        texts: text of each row's item; mostly empty.
        documents: attributes of each row's item, as JSON, which is smaller than dictionaries and adds no work for the
            garbage collector.
        previous: row that held the item before, or -1.
        latest: newest row of each id, dead or live.
        columns: attribute values, for filters.
        neighbours: index of the vectors, for large catalogues.
        newness: how new items are, for requests that weigh new ones.
    """

    ids: list[str]
    texts: list[str]
    documents: list[str]
    previous: list[int]
    latest: dict[str, int]
    columns: Columns
    neighbours: NeighbourIndex
    newness: NewnessColumn


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalogue at one moment. Its length is the number of its items.

    The arrays have R rows, dead ones included; `live` marks the others.

    Attributes:
        embeddings: (R, H) the encoder's vectors.
        vectors: (R, D) the item tower's vectors.
        biases: (R,) the item tower's biases.
        updated: (R,) Unix time, in seconds.
        order: (R,) sort key of the catalogue's order, which is that of first insertion; a replaced item keeps its key.
        live: (R,) whether each row holds an item.
        count: number of live rows.
        contents: ids, texts and attributes of the rows.
    """

    embeddings: StoredVectors
    vectors: StoredVectors
    biases: Floats
    updated: NDArray[np.float64]
    order: NDArray[np.int64]
    live: Mask
    count: int
    contents: Contents

    def __len__(self) -> int:
        return self.count

    def position(self, item_id: str) -> int | None:
        """Return the row of an item; None if the snapshot does not have it."""
        row = self.contents.latest.get(item_id, -1)
        while row >= len(self.live):  # the item was upserted after this snapshot was taken
            row = self.contents.previous[row]
        return row if row >= 0 and self.live[row] else None

    @property
    def vector_bytes(self) -> int:
        """Memory of the vectors of all rows, in bytes."""
        return self.embeddings.nbytes + self.vectors.nbytes

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all items, in the catalogue's order."""
        return tuple(self.contents.ids[row] for row in self.rows().tolist())

    def rows(self) -> NDArray[np.int64]:
        """Return the live rows, in the catalogue's order, (N,)."""
        rows = np.flatnonzero(self.live)
        return rows[np.argsort(self.order[rows], kind="stable")]

    def id(self, row: int) -> str:
        """Return the id of a row's item."""
        return self.contents.ids[row]

    def attributes(self, row: int) -> Mapping[str, Value]:
        """Return the attributes of a row's item."""
        attributes: Mapping[str, Value] = json.loads(self.contents.documents[row])
        return attributes

    def stored(self, row: int) -> StoredItem:
        """Return a row as the record that was upserted. Its arrays may be read-only views."""
        return StoredItem(
            item=Item(self.contents.ids[row], self.attributes(row), self.contents.texts[row]),
            embedding=self.embeddings[row],
            vector=self.vectors[row],
            bias=float(self.biases[row]),
            updated=float(self.updated[row]),
        )

    def get(self, ids: Sequence[str]) -> tuple[tuple[StoredItem, ...], tuple[str, ...]]:
        """Return the items with these ids, in this order, and the ids that the catalogue does not have."""
        rows = {item_id: self.position(item_id) for item_id in ids}
        items = tuple(self.stored(row) for row in rows.values() if row is not None)
        return items, tuple(item_id for item_id, row in rows.items() if row is None)
