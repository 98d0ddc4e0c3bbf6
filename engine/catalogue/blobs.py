"""Blobs: the format of vectors in a catalogue's file. Little-endian numbers; an int8 vector has its scale first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from emberline.engine.errors import CatalogueError

from .kinds import NUMBERS, SCALE_BYTES, VectorKind, vector_bytes
from .stored_vectors import StoredVectors

_SCALE: Final = np.dtype("<f4")


def to_blobs(vectors: StoredVectors) -> Iterator[bytes]:
    """Make one blob per vector."""
    numbers = vectors.values.astype(vectors.values.dtype.newbyteorder("<"), copy=False)
    if vectors.scales is None:
        yield from (row.tobytes() for row in numbers)
    else:
        scales = vectors.scales.astype(_SCALE, copy=False)
        yield from (scale.tobytes() + row.tobytes() for scale, row in zip(scales, numbers, strict=True))


def from_blobs(blobs: Sequence[bytes], kind: VectorKind, width: int, path: Path) -> StoredVectors:
    """Read vectors from blobs.

    Args:
        blobs: N blobs.
        kind: number format of the vectors.
        width: W, the numbers in a vector.
        path: the file that the blobs were read from, for the error.

    Raises:
        CatalogueError: a blob does not have W numbers.
    """
    if any(len(blob) != vector_bytes(kind, width) for blob in blobs):
        raise CatalogueError(f"{path} is damaged: a vector does not have {width} numbers; restore a copy of it")
    data = b"".join(blobs)
    if kind != "int8":
        numbers = np.frombuffer(data, np.dtype(NUMBERS[kind]).newbyteorder("<")).reshape(-1, width)
        return StoredVectors(numbers.astype(NUMBERS[kind], copy=False), None)
    rows = np.frombuffer(data, np.uint8).reshape(-1, SCALE_BYTES + width)
    scales = np.ascontiguousarray(rows[:, :SCALE_BYTES]).view(_SCALE)[:, 0].astype(np.float32, copy=False)
    return StoredVectors(rows[:, SCALE_BYTES:].view(np.int8), scales)
