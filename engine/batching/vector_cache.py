"""The cache of vectors, which spares texts that were encoded before.

The cache belongs to the event loop. It serves one encoder, with one model and one precision, so the token ids alone are
the key.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from emberline.engine.records import Encoding, Floats

#: Bytes of an entry beyond its key and its vector: their Python objects and the slot in the table.
_OVERHEAD: Final = 320


class VectorCache:
    """A least-recently-used cache of vectors, bounded in bytes.

    Attributes:
        size: bytes in use.
    """

    def __init__(self, limit: int) -> None:
        """Create an empty cache.

        Args:
            limit: maximum size in bytes; 0 disables the cache.
        """
        self.size = 0
        self._limit = limit
        self._vectors: OrderedDict[bytes, Floats] = OrderedDict()  # the most recently used last

    def __len__(self) -> int:
        return len(self._vectors)

    def get(self, encoding: Encoding) -> Floats | None:
        """Return the vector (H,) of a text, if the cache holds it."""
        if not self._vectors:
            return None
        key = encoding.ids.tobytes()
        vector = self._vectors.get(key)
        if vector is not None:
            self._vectors.move_to_end(key)
        return vector

    def put(self, encoding: Encoding, vector: Floats) -> None:
        """Store the vector (H,) of a text, and evict the least recently used ones until all fit."""
        key = encoding.ids.tobytes()
        cost = _cost(key, vector)
        if key in self._vectors or cost > self._limit:
            return
        # A copy, because a view of a row would keep the whole batch in memory.
        self._vectors[key] = vector.copy()
        self.size += cost
        while self.size > self._limit:
            self.size -= _cost(*self._vectors.popitem(last=False))


def _cost(key: bytes, vector: Floats) -> int:
    return len(key) + vector.nbytes + _OVERHEAD
