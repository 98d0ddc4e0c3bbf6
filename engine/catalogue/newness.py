"""The newness of a catalogue's rows: computed when a request first weighs new items, and extended by later rows.

It follows from the stored embeddings, so no file keeps it, and a catalogue of before has it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final

import numpy as np

from emberline.engine.records import Floats

from .stored_vectors import StoredVectors

#: Rows computed at a time. Each is compared with all remembered items: 40 MB with 10,000 of them.
_ROWS: Final = 1024


class NewnessColumn:
    """How new the item of each row is, from 0, met in training, to 1. A row's value never changes."""

    def __init__(self) -> None:
        self._values: Floats = np.zeros(0, np.float32)
        self._lock = Lock()

    def values(self, embeddings: StoredVectors, newness: Callable[[Floats], Floats]) -> Floats:
        """Return the newness of the first rows, (R,).

        Args:
            embeddings: (R, H) the encoder's vectors of these rows.
            newness: computes it, (B,), from vectors (B, H).
        """
        length, _ = embeddings.shape
        if len(self._values) < length:
            with self._lock:
                starts = range(len(self._values), length, _ROWS)
                added = [newness(embeddings[start : min(start + _ROWS, length)]) for start in starts]
                self._values = np.concatenate([self._values, *added])
        return self._values[:length]
