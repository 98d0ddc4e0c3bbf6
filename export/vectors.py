"""Many texts through an encoder, with hardly any padding."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from emberline.engine.records import Encoding, Floats, Integers
from emberline.engine.runtime.session import Session
from emberline.engine.text.tokenizer import pad

#: Texts a batch: enough for efficient products of matrices, and few enough to stay in the cache.
BATCH: Final = 16


def batches(encodings: Sequence[Encoding]) -> Iterator[tuple[Integers, Integers, Integers]]:
    """Texts in batches of like lengths.

    Yields:
        Which texts (B,), their token ids (B, L) and their attention mask (B, L).
    """
    order = np.argsort([len(encoding) for encoding in encodings], kind="stable")
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        yield rows, *pad([encodings[row] for row in rows])


def encode(session: Session, encodings: Sequence[Encoding]) -> Floats:
    """The vectors (N, H) of at least one text, in their order; a core works on each batch."""
    work = list(batches(encodings))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = list(threads.map(lambda batch: session.run(batch[1], batch[2]), work))
    vectors = np.empty((len(encodings), found[0].shape[1]), np.float32)
    for (rows, _, _), part in zip(work, found, strict=True):
        vectors[rows] = part
    return vectors
