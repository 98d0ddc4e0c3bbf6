"""What readers see of the catalogue: an immutable view in memory, taken in no time and valid as long as it is held.

Rows are append-only. An item that is replaced gets a new row at the end, and its old row dies; a deleted item's row
dies too. A row is written before the first snapshot that shows it is published, and never again, so a reader can
neither see half a row nor a mixture of two versions, however long it takes and whatever is upserted meanwhile. A
snapshot costs one byte a row (`live`); its arrays are views of buffers that grow ahead (see `rows.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats, Item, StoredItem, Value

from .columns import Columns, Mask
from .stored_vectors import StoredVectors


@dataclass(frozen=True, slots=True)
class Contents:
    """What the rows of a catalogue hold beside their arrays; shared by its snapshots, which look no further than their
    own length.

    Attributes:
        ids: of each row's item.
        texts: of each row's item; mostly empty.
        documents: the attributes of each row's item as JSON: smaller than dictionaries, and nothing for the garbage
            collector to walk.
        previous: the row that held the item before, or -1.
        latest: the youngest row of each id, dead or living.
        columns: the attributes, for filters.
    """

    ids: list[str]
    texts: list[str]
    documents: list[str]
    previous: list[int]
    latest: dict[str, int]
    columns: Columns


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalogue at one moment. Its length is the number of its items.

    The arrays have R rows, the dead among them included; `live` tells them apart.

    Attributes:
        embeddings: (R, H) the encoder's vectors.
        vectors: (R, D) the item tower's.
        biases: (R,) the item tower's.
        updated: (R,) Unix time, seconds.
        order: (R,) sorts the items by their first insertion; a replaced item keeps its place.
        live: (R,) which rows hold an item.
        count: how many they are.
        contents: what the rows hold beside.
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
        """The row of an item; None if the catalogue has no such item."""
        row = self.contents.latest.get(item_id, -1)
        while row >= len(self.live):  # the item was upserted after this snapshot was taken
            row = self.contents.previous[row]
        return row if row >= 0 and self.live[row] else None

    @property
    def vector_bytes(self) -> int:
        """The memory that the vectors of all rows take."""
        return self.embeddings.nbytes + self.vectors.nbytes

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all items, in the catalogue's order."""
        return tuple(self.contents.ids[row] for row in self.rows().tolist())

    def rows(self) -> NDArray[np.int64]:
        """(N,) the rows that hold an item, in the catalogue's order."""
        rows = np.flatnonzero(self.live)
        return rows[np.argsort(self.order[rows], kind="stable")]

    def id(self, row: int) -> str:
        """The id of a row's item."""
        return self.contents.ids[row]

    def attributes(self, row: int) -> Mapping[str, Value]:
        """The attributes of a row's item."""
        attributes: Mapping[str, Value] = json.loads(self.contents.documents[row])
        return attributes

    def stored(self, row: int) -> StoredItem:
        """A row as the record that was upserted; its arrays may be views, not writable."""
        return StoredItem(
            item=Item(self.contents.ids[row], self.attributes(row), self.contents.texts[row]),
            embedding=self.embeddings[row],
            vector=self.vectors[row],
            bias=float(self.biases[row]),
            updated=float(self.updated[row]),
        )

    def get(self, ids: Sequence[str]) -> tuple[tuple[StoredItem, ...], tuple[str, ...]]:
        """The items with the given ids, in their order, and the ids that the catalogue does not have."""
        found = {item_id: self.position(item_id) for item_id in ids}
        items = tuple(self.stored(row) for row in found.values() if row is not None)
        return items, tuple(item_id for item_id, row in found.items() if row is None)
