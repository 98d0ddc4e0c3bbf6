"""Conversion of arrays to and from little-endian bytes with their dtype and shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Floats
from emberline.proto import emberline_pb2 as pb

_DTYPES: Final[dict[str, np.dtype[np.floating]]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}


def to_message(array: Floats) -> pb.Tensor:
    """Convert an array to a message, with one copy into the message's bytes."""
    return pb.Tensor(data=array.astype("<f4", copy=False).tobytes(), dtype="float32", shape=array.shape)


def outputs_to_messages(outputs: Mapping[str, Floats]) -> dict[str, pb.Tensor]:
    """Convert arrays by name to messages."""
    return {name: to_message(array) for name, array in outputs.items()}


def outputs_from_messages(messages: Mapping[str, pb.Tensor]) -> dict[str, Floats]:
    """Convert messages by name to arrays, in the order of their names.

    Raises:
        InvalidInput: see `from_message`.
    """
    return {name: from_message(messages[name], f"outputs[{name}]") for name in sorted(messages)}


def from_message(message: pb.Tensor, field: str) -> Floats:
    """Convert a message to a float32 array. Of float32 data it is a read-only view.

    Args:
        message: the message.
        field: path in the request, for errors.

    Raises:
        InvalidInput: the dtype is unknown, the shape is not that of a vector or a matrix, or the bytes do not fill it.
    """
    dtype = _DTYPES.get(message.dtype)
    if dtype is None:
        known = " and ".join(_DTYPES)
        raise InvalidInput(f"{field}.dtype", f"{message.dtype!r} is not known; {known} are")
    shape = tuple(message.shape)
    if len(shape) > 2 or not all(0 <= size < 2**31 for size in shape):
        raise InvalidInput(f"{field}.shape", f"{list(shape)} is not the shape of a vector or a matrix")
    expected = math.prod(shape) * dtype.itemsize
    if len(message.data) != expected:
        raise InvalidInput(
            f"{field}.data",
            f"{len(message.data)} bytes, but {message.dtype} of shape {list(shape)} has {expected}",
        )
    return np.frombuffer(message.data, dtype=dtype).reshape(shape).astype(np.float32, copy=False)
