from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emberline.engine.catalogue.blobs import from_blobs, to_blobs
from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind, vector_bytes
from emberline.engine.catalogue.stored_vectors import StoredVectors
from emberline.engine.errors import CatalogueError

FILE = Path("live.sqlite")
VECTORS = np.array([[1.0, -0.5, 0.25], [0.0, 0.0, 0.0], [-127.0, 64.0, 1.0]], np.float32)


@pytest.mark.parametrize("kind", VECTOR_KINDS)
def test_vectors_come_back_bit_for_bit(kind: VectorKind) -> None:
    """What is read from a file is what was in memory, in as many bytes as the kind says."""
    stored = StoredVectors.of(VECTORS, kind)
    blobs = list(to_blobs(stored))
    assert [len(blob) for blob in blobs] == [vector_bytes(kind, 3)] * 3
    read = from_blobs(blobs, kind, 3, FILE)
    assert read.kind == kind
    np.testing.assert_array_equal(read.values, stored.values)
    np.testing.assert_array_equal(read[:], stored[:])


@pytest.mark.parametrize(
    ("kind", "blob"),
    [
        ("fp32", "000080bf0000003f"),
        ("fp16", "00bc0038"),
        ("int8", "0000803f" + "8140"),  # the scale, 1.0, then -127 and 64
    ],
)
def test_the_file_is_little_endian(kind: VectorKind, blob: str) -> None:
    """A file that was written on one machine is read on every other."""
    vector = np.array([[-127.0, 64.0]] if kind == "int8" else [[-1.0, 0.5]], np.float32)
    assert [encoded.hex() for encoded in to_blobs(StoredVectors.of(vector, kind))] == [blob]


@pytest.mark.parametrize("kind", VECTOR_KINDS)
def test_a_vector_of_another_width_is_damage(kind: VectorKind) -> None:
    """The error names the file and the width."""
    blobs = list(to_blobs(StoredVectors.of(VECTORS, kind)))
    with pytest.raises(CatalogueError, match=r"live\.sqlite is damaged: a vector does not have 2 numbers"):
        from_blobs(blobs, kind, 2, FILE)
