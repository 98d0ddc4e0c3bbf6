"""Bytes to messages, with an error that says where the bytes are wrong.

Protobuf refuses a message with a text that is not UTF-8 without saying which text. A second set of message types, in
which each string is bytes, reads it all the same and finds the place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from emberline.engine.errors import InvalidInput
from emberline.proto import emberline_pb2 as pb

M = TypeVar("M", bound=Message)

_PACKAGE: Final = pb.DESCRIPTOR.package


def parse(kind: type[M], raw: bytes) -> M:
    """Read a message.

    Args:
        kind: its type.
        raw: its bytes.

    Raises:
        InvalidInput: they are no such message; where a text is not UTF-8, it is named.
    """
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise _fault(kind, raw) from error


def stream_id(raw: bytes) -> str:
    """The id of an `EncodeStreamRequest`, as far as it can be read, whatever else is wrong with the request."""
    try:
        found: bytes = _twins()[pb.EncodeStreamRequest.DESCRIPTOR.full_name].FromString(raw).id
    except DecodeError:
        return ""
    return found.decode(errors="replace")


def _fault(kind: type[Message], raw: bytes) -> InvalidInput:
    name = kind.DESCRIPTOR.full_name
    try:
        found = _twins()[name].FromString(raw)
    except DecodeError:
        return InvalidInput("request", f"is no {name}; the client's contract or the bytes on their way are damaged")
    for field, value in _texts(found, ""):
        try:
            value.decode()
        except UnicodeDecodeError as error:
            field = field.removeprefix("request.")  # of a stream: it is spoken of as if it came alone
            return InvalidInput(field, f"is not UTF-8 ({error.reason} at byte {error.start}); encode the text as UTF-8")
    return InvalidInput("request", f"cannot be read as {name}; it may be nested too deeply")


@cache
def _twins() -> dict[str, Any]:
    """The contract's message types with bytes in place of strings, by their full names."""
    pool = descriptor_pool.DescriptorPool()
    for descriptor in (struct_pb2.DESCRIPTOR, pb.DESCRIPTOR):
        file = descriptor_pb2.FileDescriptorProto()
        descriptor.CopyToProto(file)
        _strings_to_bytes(file.message_type)
        pool.AddSerializedFile(file.SerializeToString())
    names = [f"{_PACKAGE}.{name}" for name in pb.DESCRIPTOR.message_types_by_name]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names}


def _strings_to_bytes(messages: Iterable[descriptor_pb2.DescriptorProto]) -> None:
    for message in messages:
        message.options.ClearField("map_entry")  # a map's key cannot be bytes; the entry that it stands for can
        for field in message.field:
            if field.type == FieldDescriptor.TYPE_STRING:
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
        _strings_to_bytes(message.nested_type)


def _texts(message: Any, path: str) -> Iterator[tuple[str, bytes]]:
    """The texts of a twin's message, each with its place in the contract's names."""
    kind = message.DESCRIPTOR.full_name
    for field, found in message.ListFields():
        original = pb.DESCRIPTOR.pool.FindMessageTypeByName(kind).fields_by_number[field.number]
        name = f"{path}.{field.name}".lstrip(".")
        if kind in ("google.protobuf.Value", "google.protobuf.ListValue"):
            name = path  # the contract's users write attributes, not the messages that hold them
        values = found if field.is_repeated else [found]
        for index, value in enumerate(values):
            place = f"{name}[{index}]" if field.is_repeated else name
            if original.type == FieldDescriptor.TYPE_STRING:
                yield place, value
            elif kind == "google.protobuf.Struct":
                yield f"{path} (a name)", value.key
                yield from _texts(value.value, f"{path}.{value.key.decode(errors='replace')}")
            elif original.type == FieldDescriptor.TYPE_MESSAGE:
                yield from _texts(value, place)
