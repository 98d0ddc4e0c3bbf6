"""Conversion of attributes to and from protobuf's Struct, which has texts, numbers, booleans, lists and structs."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.struct_pb2 import ListValue, Struct
from google.protobuf.struct_pb2 import Value as Message

from emberline.engine.records import Value

from .values import attributes as checked


def to_struct(attributes: Mapping[str, Value], field: str = "attributes") -> Struct:
    """Convert attributes to a message.

    Args:
        attributes: texts, numbers (NumPy's included) or lists of texts, by name.
        field: path in the request, for errors.

    Raises:
        InvalidInput: a value has another type.
    """
    return Struct(fields={name: _message(value) for name, value in checked(attributes, field).items()})


def from_struct(struct: Struct) -> dict[str, object]:
    """Convert a message to attributes, without checking the types of the values."""
    return {name: _value(value) for name, value in struct.fields.items()}


def _message(value: Value) -> Message:
    if isinstance(value, str):
        return Message(string_value=value)
    if isinstance(value, int | float):
        return Message(number_value=value)
    return Message(list_value=ListValue(values=[Message(string_value=entry) for entry in value]))


def _value(message: Message) -> object:
    match message.WhichOneof("kind"):
        case "string_value":
            return message.string_value
        case "number_value":
            return message.number_value
        case "bool_value":
            return message.bool_value
        case "list_value":
            return [_value(entry) for entry in message.list_value.values]
        case "struct_value":
            return from_struct(message.struct_value)
        case _:
            return None
