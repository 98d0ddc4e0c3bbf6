"""Vectors in the database's binary format."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emberline.engine.catalogue.stored_vectors import StoredVectors

vectors_module = pytest.importorskip(
    "emberline.engine.catalogue.postgres.vectors", reason="the extra postgres is not installed"
)
decoded, encoded = vectors_module.decoded, vectors_module.encoded

FLOATS = st.floats(-1e4, 1e4, width=32)


@pytest.mark.parametrize("kind", ["fp32", "fp16"])
@given(vectors=arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=FLOATS))
def test_vectors_come_back_bit_for_bit(kind, vectors) -> None:
    """What a column keeps is what was given, in the column's number format."""
    given_ = StoredVectors.of(vectors, kind)
    back = decoded(list(encoded(given_)), kind, kind, vectors.shape[1])
    np.testing.assert_array_equal(back.values, given_.values)


def test_the_format_is_pgvectors() -> None:
    """Width, two unused bytes, and big-endian numbers."""
    assert list(encoded(StoredVectors.of(np.array([[1.0, -2.0]], np.float32), "fp32"))) == [
        bytes.fromhex("00020000 3f800000 c0000000")
    ]
    assert list(encoded(StoredVectors.of(np.array([[1.0, -2.0]], np.float32), "fp16"))) == [
        bytes.fromhex("00020000 3c00 c000")
    ]
