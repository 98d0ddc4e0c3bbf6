"""Stored vectors: a catalogue's vectors in memory, as float32, float16, or int8 with a scale per vector.

Reading always gives float32. A search is exact for the stored vectors: they are converted to float32 in blocks that
stay in the processor's cache, and multiplied by BLAS, which has no kernel for smaller numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats

from .kinds import NUMBERS, VectorKind

#: Numbers in a block: 2 MB of float32. Smaller blocks cost more calls, and larger ones miss the cache (200,000 × 64
#: int8 on one core of an EPYC with 1 MB of L2 and 32 MB of L3: 3.6 ms with 32,768, 2.2 ms with 524,288; whole: 9.6 ms).
_BLOCK: Final = 1 << 19
#: The rows of a block are a multiple of this, so that BLAS sums each row's products in the same order.
_ALIGNED: Final = 64
#: Largest absolute int8, so that the range is symmetric.
_MAX_INT8: Final = 127

#: A float16's bits, shifted to their positions in a float32, make a number that is too small by a factor of 2**112.
_HALF_SHIFT: Final = 13
_HALF_BITS: Final = np.int32(-0x70002000)  # 0x8FFFE000: the sign, five bits of exponent, ten of mantissa
_HALF_EXPONENT: Final = 112
#: A number below 2**15 can be multiplied by 2**112 and still be a float32.
_HEADROOM: Final = 15


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """N vectors of W numbers.

    Attributes:
        values: (N, W) numbers in float32, float16 or int8.
        scales: (N,) factors of the int8 values; None for the other formats.
    """

    values: NDArray[Any]
    scales: Floats | None

    @classmethod
    def of(cls, vectors: Floats, kind: VectorKind) -> Self:
        """Convert vectors (N, W). Numbers that are too large become infinite or NaN; see `finite`.

        int8 is symmetric: a vector's scale is its largest absolute number divided by 127.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # `finite` reports it
            if kind != "int8":
                return cls(vectors.astype(NUMBERS[kind], copy=False), None)
            scales = np.abs(vectors).max(axis=1, initial=0.0).astype(np.float32) / np.float32(_MAX_INT8)
            divisors = np.where(scales > 0.0, scales, np.float32(1.0))  # a vector of zeros has scale 0
            values = np.rint(vectors / divisors[:, None]).clip(-_MAX_INT8, _MAX_INT8)
            return cls(values.astype(np.int8), scales)

    @classmethod
    def empty(cls, rows: int, width: int, kind: VectorKind) -> Self:
        """Allocate vectors with undefined contents."""
        return cls(np.empty((rows, width), NUMBERS[kind]), np.empty(rows, np.float32) if kind == "int8" else None)

    @property
    def kind(self) -> VectorKind:
        """Number format of the vectors."""
        return next(kind for kind, name in NUMBERS.items() if name == self.values.dtype.name)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of vectors and their width, (N, W)."""
        rows, width = self.values.shape
        return rows, width

    @property
    def nbytes(self) -> int:
        """Memory of the vectors, in bytes."""
        return self.values.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def finite(self) -> NDArray[np.bool_]:
        """Return whether each vector has only finite numbers, (N,)."""
        numbers = self.values if self.scales is None else self.scales[:, None]
        return np.asarray(np.isfinite(numbers).all(axis=1))

    def __getitem__(self, rows: int | slice | NDArray[np.int64]) -> Floats:
        """Return one vector (W,) or several (K, W) as float32. Of float32 vectors it may be a view."""
        values: Floats = self.values[rows].astype(np.float32, copy=False)
        return values if self.scales is None else values * self.scales[rows][..., None]

    def __matmul__(self, vector: Floats) -> Floats:
        """Return the dot product of each vector with a float32 vector (W,), (N,)."""
        if self.values.dtype == np.float32:
            products: Floats = self.values @ vector
        elif self.scales is None:
            products = _half_products(self.values, vector)
        else:
            products = _blocks(self.values, vector)
            products *= self.scales
        return products

    def head(self, rows: int) -> Self:
        """Return a read-only view of the first vectors."""
        parts = self.values[:rows], None if self.scales is None else self.scales[:rows]
        for part in parts:
            if part is not None:
                part.flags.writeable = False
        return type(self)(*parts)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Copy the vectors of some rows, bit for bit."""
        return type(self)(self.values[rows], None if self.scales is None else self.scales[rows])

    def write(self, start: int, vectors: StoredVectors) -> None:
        """Overwrite vectors from a row on, with vectors of the same format and width."""
        end = start + len(vectors.values)
        self.values[start:end] = vectors.values
        if self.scales is not None and vectors.scales is not None:
            self.scales[start:end] = vectors.scales

    def grown(self, capacity: int) -> Self:
        """Copy the vectors into a larger allocation."""
        grown = self.empty(capacity, self.shape[1], self.kind)
        grown.write(0, self)
        return grown


def _blocks(values: NDArray[Any], vector: Floats) -> Floats:
    """Multiply values of any format with a vector, in blocks of float32; returns (N,)."""
    products = np.empty(len(values), np.float32)
    step = _step(values)
    buffer = np.empty((min(step, len(values)), values.shape[1]), np.float32)
    for start in range(0, len(values), step):
        block = buffer[: len(values) - start]
        block[...] = values[start : start + step]
        np.dot(block, vector, out=products[start : start + step])
    return products


def _half_products(values: NDArray[np.float16], vector: Floats) -> Floats:
    """Multiply float16 values with a vector, in blocks of float32; returns (N,).

    NumPy converts float16 to float32 one number at a time, six times as slowly as it moves bits. A float16's bits,
    shifted to their positions in a float32, are the number times 2**-112, also for subnormal numbers. The vector is
    scaled to compensate, which is exact, because the factor is a power of two.
    """
    excess = max(0, int(np.frexp(np.abs(vector).max(initial=0.0))[1]) - _HEADROOM)
    scaled = np.ldexp(vector, _HALF_EXPONENT - excess).astype(np.float32, copy=False)
    bits = values.view(np.int16)
    products = np.empty(len(values), np.float32)
    step = _step(values)
    buffer = np.empty((min(step, len(values)), values.shape[1]), np.int32)
    for start in range(0, len(values), step):
        block = buffer[: len(values) - start]
        block[...] = bits[start : start + step]  # extends the sign; the mask keeps one bit of it
        np.left_shift(block, _HALF_SHIFT, out=block)
        np.bitwise_and(block, _HALF_BITS, out=block)
        np.dot(block.view(np.float32), scaled, out=products[start : start + step])
    if excess:
        products *= np.float32(math.ldexp(1.0, excess))
    return products


def _step(values: NDArray[Any]) -> int:
    """Return the number of rows in a block."""
    return max(_ALIGNED, _BLOCK // int(values.shape[1]) // _ALIGNED * _ALIGNED)
