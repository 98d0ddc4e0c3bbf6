"""Neighbours: an approximate index over the rows of a large catalogue, which grows behind them.

Rows are append-only, so the index holds any of them for ever; whoever searches leaves out what his snapshot does not
show, and looks at the rows that are not in the index yet one by one. So the index may be late, and is never wrong.

The inner product of an item's point, its vector and its bias, with a query's, the user's vector and 1, is the score.
Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
graphs", TPAMI 2020; the library is usearch.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats

from .columns import Mask
from .stored_vectors import StoredVectors

#: Links of a point and candidates looked at when one is added: the library's defaults, which reach the recall.
_LINKS: Final = 16
_ADD_CANDIDATES: Final = 128
#: Candidates looked at by a search: at least this many, for a recall@10 above 0.98.
_SEARCH_CANDIDATES: Final = 128
#: Rows added while searches wait: some milliseconds.
_CHUNK: Final = 16
#: Rows added at a time while nobody searches yet.
_FIRST_CHUNK: Final = 1024


class NeighbourIndex:
    """The index over one catalogue's rows. One thread extends it; any may search."""

    def __init__(self) -> None:
        self._index: Any = None
        self._covered = 0
        self._lock = Lock()  # the library moves its memory when it grows

    @property
    def covered(self) -> int:
        """Number of rows that the index has seen, from the first; 0 until it can be searched."""
        return self._covered

    @property
    def nbytes(self) -> int:
        """Memory of the index, in bytes."""
        return int(self._index.memory_usage) if self._index is not None else 0

    def extend(
        self, vectors: StoredVectors, biases: Floats, live: Mask, ended: Callable[[], bool] = lambda: False
    ) -> None:
        """Add rows that are not in the index yet. The first time that takes minutes for a million rows.

        Args:
            vectors: (R, D) the item tower's vectors.
            biases: (R,) the item tower's biases.
            live: (R,) whether each row holds an item; dead rows are left out.
            ended: returns whether there is no use in going on.
        """
        index = self._index
        if index is None:
            from usearch.index import Index

            index = Index(
                ndim=vectors.shape[1] + 1,
                metric="ip",
                dtype="f16",
                connectivity=_LINKS,
                expansion_add=_ADD_CANDIDATES,
                expansion_search=_SEARCH_CANDIDATES,
            )
        step = _FIRST_CHUNK if self._index is None else _CHUNK
        for start in range(self._covered, len(live), step):
            if ended():
                return
            rows = start + np.flatnonzero(live[start : start + step])
            points = np.column_stack([vectors[rows], biases[rows]])
            with self._lock:
                if len(rows):
                    index.add(rows, points, threads=1)
                if self._index is not None:
                    self._covered = min(start + step, len(live))
        if self._index is None and len(live):
            self._index, self._covered = index, len(live)

    def search(self, query: Floats, count: int) -> NDArray[np.int64]:
        """Return rows with nearly the highest scores, live or dead, at most `count`.

        Args:
            query: (D,) the user's vector, divided by the temperature.
            count: number of rows to look for.
        """
        with self._lock:
            found = self._index.search(np.append(query, np.float32(1.0)), count, threads=1)
        return np.asarray(found.keys, np.int64)
