"""Conversion of attributes to and from protobuf's Struct, which has texts, numbers, booleans, lists and structs."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

from google.protobuf.struct_pb2 import ListValue, Struct
from google.protobuf.struct_pb2 import Value as Message

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Value

from .values import text, texts


def to_struct(attributes: Mapping[str, Value], field: str = "attributes") -> Struct:
    """Convert attributes to a message.

    Args:
        attributes: texts, numbers (NumPy's included) or lists of texts, by name.
        field: path in the request, for errors.

    Raises:
        InvalidInput: a value has another type.
    """
    if not isinstance(attributes, Mapping):
        raise InvalidInput(field, f"is {type(attributes).__name__}; it must be values by name")
    return Struct(
        fields={
            text(name, f"{field} (a name)"): _message(value, f"{field}.{name}") for name, value in attributes.items()
        }
    )


def from_struct(struct: Struct) -> dict[str, object]:
    """Convert a message to attributes, without checking the types of the values."""
    return {name: _value(value) for name, value in struct.fields.items()}


def _message(value: object, field: str) -> Message:
    if isinstance(value, str):
        return Message(string_value=text(value, field))
    if isinstance(value, Real) and not isinstance(value, bool):
        return Message(number_value=float(value))
    if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
        return Message(list_value=ListValue(values=[Message(string_value=entry) for entry in texts(value, field)]))
    raise InvalidInput(field, f"is {value!r}; an attribute is a text, a number or a list of texts")


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
