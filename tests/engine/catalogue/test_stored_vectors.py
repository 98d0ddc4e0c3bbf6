from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from emberline.engine.catalogue import stored_vectors
from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind, vector_bytes
from emberline.engine.catalogue.stored_vectors import StoredVectors
from emberline.engine.records import Floats

KINDS: st.SearchStrategy[VectorKind] = st.sampled_from(VECTOR_KINDS)
#: Numbers that every kind can hold, some of them subnormal as float16.
MATRICES = npst.arrays(
    np.float32,
    npst.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.floats(-1000.0, 1000.0, width=32),
)


def random(rows: int, width: int, seed: int = 0) -> Floats:
    """Vectors (rows, width)."""
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def test_every_kind_has_a_size() -> None:
    """The reported bytes of a vector are those of its memory."""
    assert get_args(VectorKind) == VECTOR_KINDS
    for kind in VECTOR_KINDS:
        stored = StoredVectors.of(random(5, 16), kind)
        assert stored.nbytes == 5 * vector_bytes(kind, 16)
        assert (stored.kind, stored.shape) == (kind, (5, 16))


@given(MATRICES, KINDS)
@example(np.array([[2e-44]], np.float32), "int8")
def test_vectors_are_read_back_within_their_formats_rounding(vectors: Floats, kind: VectorKind) -> None:
    """float32 comes back as it was; float16 within its rounding; int8 within half a step of a vector's own scale."""
    stored = StoredVectors.of(vectors, kind)
    read = stored[:]
    assert read.dtype == np.float32
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    bound = {"fp32": 0.0, "fp16": np.maximum(np.abs(vectors) * 2.0**-11, 2.0**-25), "int8": largest / 127 * 0.5001}
    # A scale is a float32: of the smallest numbers it is off by up to half of the least one, and each step with it.
    slack = 64 * float(np.finfo(np.float32).smallest_subnormal) if kind == "int8" else 0.0
    assert (np.abs(read - vectors) <= bound[kind] + slack).all()
    assert stored.finite().all()


@given(MATRICES)
def test_int8_is_symmetric(vectors: Floats) -> None:
    """A vector and its negative are stored as each other's negatives, so the range is symmetric."""
    stored, negative = StoredVectors.of(vectors, "int8"), StoredVectors.of(-vectors, "int8")
    np.testing.assert_array_equal(stored.values, -negative.values)
    np.testing.assert_array_equal(stored.scales, negative.scales)


@given(MATRICES, KINDS, st.integers(-3, 3))
def test_products_are_those_of_the_vectors_that_are_read(vectors: Floats, kind: VectorKind, power: int) -> None:
    """A search multiplies the stored vectors, exact up to float32's rounding, however large the other vector is."""
    stored = StoredVectors.of(vectors, kind)
    other = (np.linspace(-1.0, 2.0, vectors.shape[1]) * 100.0**power).astype(np.float32)
    expected = stored[:].astype(np.float64) @ other.astype(np.float64)
    size = np.abs(stored[:].astype(np.float64)) @ np.abs(other.astype(np.float64))
    np.testing.assert_array_less(np.abs(stored @ other - expected), size * 1e-5 + 1e-30)


@pytest.mark.parametrize("kind", VECTOR_KINDS)
@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 200])
def test_blocks_do_not_show(kind: VectorKind, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors of one block, of several and of none give the same products as all at once."""
    monkeypatch.setattr(stored_vectors, "_BLOCK", 64 * 7)
    stored = StoredVectors.of(np.rint(4 * random(rows, 7)), kind)  # small whole numbers: sums are exact, int8's nearly
    other = np.arange(7, dtype=np.float32)
    np.testing.assert_allclose(stored @ other, stored[:] @ other, rtol=1e-5, atol=1e-4)
    assert (stored @ other).dtype == np.float32


def test_a_very_large_vector_does_not_overflow_in_float16() -> None:
    """A number near the end of float32 may be searched with, as in float32."""
    stored = StoredVectors.of(np.array([[1.0, 0.5], [2.0**-20, 0.0]], np.float32), "fp16")
    other = np.array([2.0**126, 2.0**120], np.float32)
    np.testing.assert_array_equal(stored @ other, stored[:] @ other)


@pytest.mark.parametrize("kind", VECTOR_KINDS)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_reported(kind: VectorKind, number: float) -> None:
    """The vector with such a number is reported in every format."""
    vectors = random(3, 4)
    vectors[1, 2] = number
    assert StoredVectors.of(vectors, kind).finite().tolist() == [True, False, True]


def test_numbers_too_large_for_float16_are_reported() -> None:
    """They would be infinite; int8's scale holds them."""
    vectors = np.array([[1e5, 1.0]], np.float32)
    assert [bool(StoredVectors.of(vectors, kind).finite().all()) for kind in VECTOR_KINDS] == [True, False, True]


@pytest.mark.parametrize("kind", VECTOR_KINDS)
def test_copies_are_exact_bit_for_bit(kind: VectorKind) -> None:
    """Rows that are taken, and room that grows, hold the same numbers and scales; views cannot be written to."""
    stored = StoredVectors.of(random(6, 5), kind)
    for copy, rows in ((stored.take(np.array([4, 1])), [4, 1]), (stored.grown(9).head(6), list(range(6)))):
        np.testing.assert_array_equal(copy.values, stored.values[rows])
        if stored.scales is not None:
            np.testing.assert_array_equal(copy.scales, stored.scales[rows])
    np.testing.assert_array_equal(stored[2], stored[:][2])
    with pytest.raises(ValueError, match="read-only"):
        stored.head(3).values[0] = 1
