"""Tensors of texts, of type BYTES: in a list of bytes, or raw, where each text has its length before it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Floats
from emberline.proto import kserve_pb2 as pb

TEXTS: Final = "BYTES"
NUMBERS: Final = "FP32"
_LENGTH: Final = struct.Struct("<I")


def texts_from_message(tensor: pb.ModelInferRequest.InferInputTensor, raw: bytes | None, most: int) -> tuple[str, ...]:
    """Convert a tensor of texts.

    Args:
        tensor: the tensor, of shape (texts,) or (texts, 1).
        raw: its elements as raw bytes; None: they are in the message.
        most: maximum number of texts.

    Raises:
        InvalidInput: it is not such a tensor, has too many texts, or one is not UTF-8.
    """
    name, shape = tensor.name, tuple(tensor.shape)
    if tensor.datatype != TEXTS:
        raise InvalidInput(name, f"is of type {tensor.datatype[:20]!r}; it must be {TEXTS}")
    if tensor.parameters:
        raise InvalidInput(name, f"has the parameter {min(tensor.parameters)[:40]!r}; inputs have none here")
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1) or shape[0] < 1:
        raise InvalidInput(name, f"has shape {list(shape)}; it must be [texts] or [texts, 1]")
    if shape[0] > most:
        raise InvalidInput(name, f"has {shape[0]} texts, at most {most} are served at once; send several requests")
    elements = list(tensor.contents.bytes_contents) if raw is None else _split(raw, shape[0], name)
    if len(elements) != shape[0]:
        raise InvalidInput(name, f"has {len(elements)} elements, but shape {list(shape)} has {shape[0]}")
    return tuple(_decode(element, f"{name}[{index}]") for index, element in enumerate(elements))


def array_to_message(name: str, array: Floats) -> tuple[pb.ModelInferResponse.InferOutputTensor, bytes]:
    """Convert an array to a tensor, and to its raw bytes."""
    tensor = pb.ModelInferResponse.InferOutputTensor(name=name, datatype=NUMBERS, shape=array.shape)
    return tensor, array.astype("<f4", copy=False).tobytes()


def raw_from_texts(texts: Iterable[str]) -> bytes:
    """Return texts as the raw bytes of a tensor, each with its length before it."""
    elements = [text.encode() for text in texts]
    return b"".join(part for element in elements for part in (_LENGTH.pack(len(element)), element))


def _split(raw: bytes, count: int, name: str) -> Sequence[bytes]:
    """Split raw bytes into elements; no more than there may be."""
    elements: list[bytes] = []
    position = 0
    for _ in range(count):
        start = position + _LENGTH.size
        if start > len(raw):
            raise InvalidInput(name, f"has {len(elements)} elements in its raw bytes, but its shape has {count}")
        (length,) = _LENGTH.unpack_from(raw, position)
        position = start + length
        if position > len(raw):
            raise InvalidInput(f"{name}[{len(elements)}]", f"has {length} bytes, and {len(raw) - start} are left")
        elements.append(raw[start:position])
    if position != len(raw):
        raise InvalidInput(name, f"has {len(raw) - position} raw bytes after the {count} elements of its shape")
    return elements


def _decode(element: bytes, field: str) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            field, f"is not UTF-8 ({error.reason} at byte {error.start}); encode the text as UTF-8"
        ) from None
