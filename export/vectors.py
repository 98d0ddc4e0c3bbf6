"""Encodes many texts with little padding."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from emberline.engine.records import Encoding, Floats, Integers
from emberline.engine.runtime.session import Session
from emberline.engine.text.tokenizer import pad

#: Texts per batch: enough for efficient matrix products, few enough to stay in the cache.
BATCH: Final = 16


def batches(encodings: Sequence[Encoding]) -> Iterator[tuple[Integers, Integers, Integers]]:
    """Batches of texts of similar length.

    Yields:
        The indexes (B,) of the texts, their token ids (B, L) and their attention mask (B, L).
    """
    order = np.argsort([len(encoding) for encoding in encodings], kind="stable")
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        yield rows, *pad([encodings[row] for row in rows])


def encode(session: Session, encodings: Sequence[Encoding]) -> Floats:
    """The vectors (N, H) of at least one text, in their order; batches are encoded in parallel, one per core."""
    work = list(batches(encodings))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        parts = list(threads.map(lambda batch: session.run(batch[1], batch[2]), work))
    vectors = np.empty((len(encodings), parts[0].shape[1]), np.float32)
    for (rows, _, _), part in zip(work, parts, strict=True):
        vectors[rows] = part
    return vectors
