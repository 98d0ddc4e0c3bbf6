"""The number formats of a catalogue's vectors, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

VectorKind = Literal["fp32", "fp16", "int8"]
#: From the largest to the smallest; each loses precision against the one before.
VECTOR_KINDS: Final[tuple[VectorKind, ...]] = get_args(VectorKind)
#: Name of each format in NumPy and in a catalogue's file.
NUMBERS: Final[Mapping[VectorKind, str]] = {"fp32": "float32", "fp16": "float16", "int8": "int8"}

_NUMBER_BYTES: Final[Mapping[VectorKind, int]] = {"fp32": 4, "fp16": 2, "int8": 1}
#: Bytes of the scale of an int8 vector, which is a float32.
SCALE_BYTES: Final = 4


def vector_bytes(kind: VectorKind, width: int) -> int:
    """Return the bytes of a vector of `width` numbers."""
    return _NUMBER_BYTES[kind] * width + (SCALE_BYTES if kind == "int8" else 0)
