"""Vectors as a catalogue keeps them in memory: float32, float16, or int8 with a scale each.

What is read is always float32. A search is exact for the vectors that are kept: they are turned into float32 a block at
a time, small enough to stay in the processor's cache, and multiplied by BLAS, which has no kernel for smaller numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats

from .kinds import NUMBERS, VectorKind

#: Numbers in a block: 2 MB of float32. Smaller blocks cost calls, and larger ones miss the cache (200,000 × 64 int8 on
#: one core of an EPYC with 1 MB of L2 and 32 MB of L3: 3.6 ms with 32,768, 2.2 ms with 524,288; whole: 9.6 ms).
_BLOCK: Final = 1 << 19
#: Rows of a block are a multiple of it, so that BLAS adds up each row's products in the same order.
_ALIGNED: Final = 64
#: The largest int8 that is used, so that both signs reach as far.
_MOST: Final = 127

#: The bits of a float16 at their places in a float32; its exponent is then too small by 2**112.
_HALF_SHIFT: Final = 13
_HALF_BITS: Final = np.int32(-0x70002000)  # 0x8FFFE000: the sign, five bits of exponent, ten of mantissa
_HALF_EXPONENT: Final = 112
#: Up to 2**15 a number may be multiplied by 2**112 and still be a float32.
_ROOM: Final = 15


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """N vectors of W numbers.

    Attributes:
        values: (N, W) float32, float16 or int8.
        scales: (N,) float32, by which int8 values are multiplied; None for the others.
    """

    values: NDArray[Any]
    scales: Floats | None

    @classmethod
    def of(cls, vectors: Floats, kind: VectorKind) -> Self:
        """Keep vectors (N, W); what a kind cannot hold becomes infinite or no number, see `finite`.

        int8 is symmetric: a vector's scale is its largest absolute number over 127.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # `finite` tells
            if kind != "int8":
                return cls(vectors.astype(NUMBERS[kind], copy=False), None)
            scales = np.abs(vectors).max(axis=1, initial=0.0).astype(np.float32) / np.float32(_MOST)
            divisors = np.where(scales > 0.0, scales, np.float32(1.0))  # a vector of zeros has scale 0
            values = np.rint(vectors / divisors[:, None]).clip(-_MOST, _MOST)
            return cls(values.astype(np.int8), scales)

    @classmethod
    def empty(cls, rows: int, width: int, kind: VectorKind) -> Self:
        """Room for vectors; what is in it is undefined."""
        return cls(np.empty((rows, width), NUMBERS[kind]), np.empty(rows, np.float32) if kind == "int8" else None)

    @property
    def kind(self) -> VectorKind:
        """How the numbers are kept."""
        return next(kind for kind, name in NUMBERS.items() if name == self.values.dtype.name)

    @property
    def shape(self) -> tuple[int, int]:
        """N and W."""
        rows, width = self.values.shape
        return rows, width

    @property
    def nbytes(self) -> int:
        """The memory that they take."""
        return self.values.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def finite(self) -> NDArray[np.bool_]:
        """(N,) which vectors have only finite numbers."""
        numbers = self.values if self.scales is None else self.scales[:, None]
        return np.asarray(np.isfinite(numbers).all(axis=1))

    def __getitem__(self, rows: int | slice | NDArray[np.int64]) -> Floats:
        """One vector (W,), or those of some rows (K, W), as float32; where they are kept so, perhaps a view."""
        values: Floats = self.values[rows].astype(np.float32, copy=False)
        return values if self.scales is None else values * self.scales[rows][..., None]

    def __matmul__(self, vector: Floats) -> Floats:
        """(N,) the products with a vector (W,) of float32."""
        if self.values.dtype == np.float32:
            products: Floats = self.values @ vector
        elif self.scales is None:
            products = _half_products(self.values, vector)
        else:
            products = _blocks(self.values, vector)
            products *= self.scales
        return products

    def head(self, rows: int) -> Self:
        """A view of the first vectors, which cannot be written to."""
        parts = self.values[:rows], None if self.scales is None else self.scales[:rows]
        for part in parts:
            if part is not None:
                part.flags.writeable = False
        return type(self)(*parts)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """A copy of the vectors of some rows, bit for bit."""
        return type(self)(self.values[rows], None if self.scales is None else self.scales[rows])

    def write(self, start: int, vectors: StoredVectors) -> None:
        """Overwrite from a row on with vectors of the same kind and width."""
        end = start + len(vectors.values)
        self.values[start:end] = vectors.values
        if self.scales is not None and vectors.scales is not None:
            self.scales[start:end] = vectors.scales

    def grown(self, capacity: int) -> Self:
        """A copy with room for more."""
        grown = self.empty(capacity, self.shape[1], self.kind)
        grown.write(0, self)
        return grown


def _blocks(values: NDArray[Any], vector: Floats) -> Floats:
    """(N,) products of values of any kind with a vector, by blocks of float32."""
    products = np.empty(len(values), np.float32)
    step = _step(values)
    buffer = np.empty((min(step, len(values)), values.shape[1]), np.float32)
    for start in range(0, len(values), step):
        block = buffer[: len(values) - start]
        block[...] = values[start : start + step]
        np.dot(block, vector, out=products[start : start + step])
    return products


def _half_products(values: NDArray[np.float16], vector: Floats) -> Floats:
    """(N,) products of float16 values with a vector, by blocks of float32.

    NumPy turns float16 into float32 one number at a time, six times as slowly as it moves bits: a float16's bits, put
    in their places in a float32, are the number times 2**-112, subnormal ones included. The vector makes up for that,
    exactly, because the factor is a power of two.
    """
    excess = max(0, int(np.frexp(np.abs(vector).max(initial=0.0))[1]) - _ROOM)
    raised = np.ldexp(vector, _HALF_EXPONENT - excess).astype(np.float32, copy=False)
    bits = values.view(np.int16)
    products = np.empty(len(values), np.float32)
    step = _step(values)
    buffer = np.empty((min(step, len(values)), values.shape[1]), np.int32)
    for start in range(0, len(values), step):
        block = buffer[: len(values) - start]
        block[...] = bits[start : start + step]  # extends the sign, of which the mask leaves one bit
        np.left_shift(block, _HALF_SHIFT, out=block)
        np.bitwise_and(block, _HALF_BITS, out=block)
        np.dot(block.view(np.float32), raised, out=products[start : start + step])
    if excess:
        products *= np.float32(math.ldexp(1.0, excess))
    return products


def _step(values: NDArray[Any]) -> int:
    """Rows of a block."""
    return max(_ALIGNED, _BLOCK // int(values.shape[1]) // _ALIGNED * _ALIGNED)
