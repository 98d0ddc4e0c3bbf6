"""Vectors of texts that were encoded before, so that what many ask for is encoded once.

It belongs to the event loop, as all that decides about texts does. One cache serves one encoder, so the token ids alone
are the key: model and precision are the encoder's.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from emberline.engine.records import Encoding, Floats

#: Bytes that an entry takes beside its key and its vector: their objects and the place in the table.
_OVERHEAD: Final = 320


class VectorCache:
    """The vectors that were asked for last, up to a number of bytes.

    Attributes:
        size: bytes in use.
    """

    def __init__(self, limit: int) -> None:
        """Start empty.

        Args:
            limit: bytes; 0 keeps nothing.
        """
        self.size = 0
        self._limit = limit
        self._vectors: OrderedDict[bytes, Floats] = OrderedDict()  # the one asked for last at the end

    def __len__(self) -> int:
        return len(self._vectors)

    def get(self, encoding: Encoding) -> Floats | None:
        """The vector (H,) of a text, if it is known."""
        if not self._vectors:
            return None
        key = encoding.ids.tobytes()
        vector = self._vectors.get(key)
        if vector is not None:
            self._vectors.move_to_end(key)
        return vector

    def put(self, encoding: Encoding, vector: Floats) -> None:
        """Keep the vector (H,) of a text, at the cost of those that nobody has asked for the longest."""
        key = encoding.ids.tobytes()
        cost = _cost(key, vector)
        if key in self._vectors or cost > self._limit:
            return
        # A copy, because a row of a batch would keep the whole batch.
        self._vectors[key] = vector.copy()
        self.size += cost
        while self.size > self._limit:
            self.size -= _cost(*self._vectors.popitem(last=False))


def _cost(key: bytes, vector: Floats) -> int:
    return len(key) + vector.nbytes + _OVERHEAD
