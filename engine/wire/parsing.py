"""Parsing: turns bytes into messages, with errors that name the field.

Protobuf rejects a message with a text that is not UTF-8, but does not say which text. A second set of message types,
with bytes in place of strings, parses the message anyway and finds the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final, TypeVar, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from emberline.engine.errors import InvalidInput
from emberline.proto import emberline_pb2 as pb

from .limits import MessageLimits, check_lists

M = TypeVar("M", bound=Message)

_PACKAGE: Final = pb.DESCRIPTOR.package
#: Bytes of a message whose lists are short whatever is in it.
_SHORT: Final = 1024


def parse(kind: type[M], raw: bytes, limits: MessageLimits | None = None) -> M:
    """Parse a message.

    Args:
        kind: type of the message.
        raw: bytes of the message.
        limits: maximum numbers of entries in its lists; None: they are not checked.

    Raises:
        InvalidInput: the bytes are not such a message, a list is too long, or a text is not UTF-8.
    """
    if limits is not None and len(raw) > _SHORT:
        check_lists(cast("Descriptor", kind.DESCRIPTOR), raw, limits)
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise _error(kind, raw) from error


def stream_id(raw: bytes) -> str:
    """Return the id of an `EncodeStreamRequest`, if it can be read, whatever else is wrong with the request."""
    try:
        name: bytes = _bytes_types()[pb.EncodeStreamRequest.DESCRIPTOR.full_name].FromString(raw).id
    except DecodeError:
        return ""
    return name.decode(errors="replace")


def _error(kind: type[Message], raw: bytes) -> InvalidInput:
    name = kind.DESCRIPTOR.full_name
    try:
        message = _bytes_types()[name].FromString(raw)
    except DecodeError:
        return InvalidInput(
            "request", f"is not a valid {name}; the client's contract differs, or the bytes were damaged on the way"
        )
    for field, value in _texts(message, ""):
        try:
            value.decode()
        except UnicodeDecodeError as error:
            field = field.removeprefix("request.")  # in a stream: named as in a request of its own
            return InvalidInput(field, f"is not UTF-8 ({error.reason} at byte {error.start}); encode the text as UTF-8")
    return InvalidInput("request", f"cannot be read as {name}; it may be nested too deeply")


@cache
def _bytes_types() -> dict[str, Any]:
    """Make the contract's message types with bytes in place of strings, by their full names."""
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
        message.options.ClearField("map_entry")  # a map's key cannot be bytes, but the entry's message can
        for field in message.field:
            if field.type == FieldDescriptor.TYPE_STRING:
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
        _strings_to_bytes(message.nested_type)


def _texts(message: Any, path: str) -> Iterator[tuple[str, bytes]]:
    """Yield the texts of a message, each with its path in the contract's names."""
    kind = message.DESCRIPTOR.full_name
    for field, content in message.ListFields():
        original = pb.DESCRIPTOR.pool.FindMessageTypeByName(kind).fields_by_number[field.number]
        name = f"{path}.{field.name}".lstrip(".")
        if kind in ("google.protobuf.Value", "google.protobuf.ListValue"):
            name = path  # callers write attributes, not the messages that hold them
        values = content if field.is_repeated else [content]
        for index, value in enumerate(values):
            position = f"{name}[{index}]" if field.is_repeated else name
            if original.type == FieldDescriptor.TYPE_STRING:
                yield position, value
            elif kind == "google.protobuf.Struct":
                yield f"{path} (a name)", value.key
                yield from _texts(value.value, f"{path}.{value.key.decode(errors='replace')}")
            elif original.type == FieldDescriptor.TYPE_MESSAGE:
                yield from _texts(value, position)
