"""Parsing: turns bytes into messages, with errors that name the field.

Protobuf rejects a message with a text that is not UTF-8, but does not say which text. A second set of message types,
with bytes in place of strings, parses the message anyway and finds the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeVar, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import DecodeError, Message

from emberline.engine.errors import InvalidInput
from emberline.proto import emberline_pb2 as pb

from .limits import check_lists

M = TypeVar("M", bound=Message)

#: Bytes of a message whose lists are short whatever is in it.
_SHORT: Final = 1024


def parse(kind: type[M], raw: bytes, limits: Mapping[str, int] | None = None) -> M:
    """Parse a message, of this contract or another one.

    Args:
        kind: type of the message.
        raw: bytes of the message.
        limits: maximum numbers of entries by the full names of the lists; None: they are not checked.

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
        name: bytes = _bytes_type(cast("Descriptor", pb.EncodeStreamRequest.DESCRIPTOR)).FromString(raw).id
    except DecodeError:
        return ""
    return name.decode(errors="replace")


def _error(kind: type[Message], raw: bytes) -> InvalidInput:
    descriptor = cast("Descriptor", kind.DESCRIPTOR)
    name = descriptor.full_name
    try:
        message = _bytes_type(descriptor).FromString(raw)
    except DecodeError:
        return InvalidInput(
            "request", f"is not a valid {name}; the client's contract differs, or the bytes were damaged on the way"
        )
    for field, value in _texts(message, descriptor, ""):
        try:
            value.decode()
        except UnicodeDecodeError as error:
            field = field.removeprefix("request.")  # in a stream: named as in a request of its own
            return InvalidInput(field, f"is not UTF-8 ({error.reason} at byte {error.start}); encode the text as UTF-8")
    return InvalidInput("request", f"cannot be read as {name}; it may be nested too deeply")


def _bytes_type(descriptor: Descriptor) -> Any:
    """Return a message type with bytes in place of strings."""
    return message_factory.GetMessageClass(_bytes_pool(descriptor.file).FindMessageTypeByName(descriptor.full_name))


@cache
def _bytes_pool(file: FileDescriptor) -> descriptor_pool.DescriptorPool:
    """Make the message types of a file and of those that it imports, with bytes in place of strings."""
    pool = descriptor_pool.DescriptorPool()
    for descriptor in _imported(file, {}).values():
        copy = descriptor_pb2.FileDescriptorProto()
        descriptor.CopyToProto(copy)
        _strings_to_bytes(copy.message_type)
        pool.AddSerializedFile(copy.SerializeToString())
    return pool


def _imported(file: FileDescriptor, found: dict[str, FileDescriptor]) -> dict[str, FileDescriptor]:
    """Add a file to those that were found, after all that it imports."""
    for other in file.dependencies:
        _imported(other, found)
    found.setdefault(file.name, file)
    return found


def _strings_to_bytes(messages: Iterable[descriptor_pb2.DescriptorProto]) -> None:
    for message in messages:
        message.options.ClearField("map_entry")  # a map's key cannot be bytes, but the entry's message can
        for field in message.field:
            if field.type == FieldDescriptor.TYPE_STRING:
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
        _strings_to_bytes(message.nested_type)


def _texts(message: Any, descriptor: Descriptor, path: str) -> Iterator[tuple[str, bytes]]:
    """Yield the texts of a message, each with its path in the contract's names, which `descriptor` has."""
    kind = descriptor.full_name
    for field, content in message.ListFields():
        original = descriptor.fields_by_number[field.number]
        inner = original.message_type
        name = f"{path}.{field.name}".lstrip(".")
        if kind in ("google.protobuf.Value", "google.protobuf.ListValue"):
            name = path  # callers write attributes, not the messages that hold them
        values = content if field.is_repeated else [content]
        for index, value in enumerate(values):
            position = f"{name}[{index}]" if field.is_repeated else name
            if original.type == FieldDescriptor.TYPE_STRING:
                yield position, value
            elif inner is not None and inner.GetOptions().map_entry:
                place = path if kind == "google.protobuf.Struct" else name
                yield f"{place} (a name)", value.key
                yield from _values(value, inner, f"{place}.{value.key.decode(errors='replace')}")
            elif inner is not None:
                yield from _texts(value, inner, position)


def _values(entry: Any, descriptor: Descriptor, path: str) -> Iterator[tuple[str, bytes]]:
    """Yield the texts of a map's value."""
    field = descriptor.fields_by_name["value"]
    if field.type == FieldDescriptor.TYPE_STRING:
        yield path, entry.value
    elif field.message_type is not None:
        yield from _texts(entry.value, field.message_type, path)
