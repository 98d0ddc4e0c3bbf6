"""Vectors as pgvector sends and receives them: in binary, big-endian, after a header with their width."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

from emberline.engine.catalogue.kinds import VectorKind
from emberline.engine.catalogue.stored_vectors import StoredVectors

#: The column's type of each number format. pgvector has none for int8; halves keep more of the vector than int8 does.
COLUMNS: Final[Mapping[VectorKind, str]] = {"fp32": "vector", "fp16": "halfvec", "int8": "halfvec"}
#: The number format in which each column's type keeps vectors.
KEPT: Final[Mapping[str, VectorKind]] = {"vector": "fp32", "halfvec": "fp16"}

#: Width of the vector, and two unused bytes.
_HEADER: Final = struct.Struct(">hh")
_NUMBERS: Final[Mapping[VectorKind, np.dtype[Any]]] = {"fp32": np.dtype(">f4"), "fp16": np.dtype(">f2")}


class _Encoded(bytes):
    """A vector in pgvector's binary format."""


class _EncodedDumper(Dumper):
    format = Format.BINARY
    oid = 0  # the database knows the column's type

    def dump(self, obj: _Encoded) -> bytes:
        return obj


def register(connection: psycopg.Connection[Any]) -> None:
    """Let a connection's statements take encoded vectors."""
    connection.adapters.register_dumper(_Encoded, _EncodedDumper)


def encoded(vectors: StoredVectors) -> Iterator[bytes]:
    """Encode vectors of fp32 or fp16, each as a parameter of a statement."""
    header = _HEADER.pack(vectors.shape[1], 0)
    for row in vectors.values.astype(_NUMBERS[vectors.kind]):
        yield _Encoded(header + row.tobytes())


def decoded(values: Sequence[bytes], kept: VectorKind, kind: VectorKind, width: int) -> StoredVectors:
    """Decode vectors, and convert them to the number format of the memory.

    Args:
        values: N vectors in the binary format.
        kept: number format of the column, fp32 or fp16.
        kind: number format of the result.
        width: W, the numbers in a vector.
    """
    numbers: NDArray[Any] = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)[:, _HEADER.size :]
    vectors = np.ascontiguousarray(numbers).view(_NUMBERS[kept]).reshape(-1, width).astype(np.float32)
    return StoredVectors.of(vectors, kind)
