"""JSON schemas of messages, by protobuf's JSON mapping."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_INT64: Final = {"type": "string", "pattern": "^-?[0-9]+$", "description": "a whole number of 64 bits, as text"}
_INT32: Final = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
_UINT32: Final = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_NUMBER: Final = {"type": "number"}

_SCALARS: Final[dict[int, dict[str, Any]]] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "format": "byte", "description": "bytes in base64"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: _NUMBER,
    FieldDescriptor.TYPE_FLOAT: _NUMBER,
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
}
#: Messages that JSON has values of its own for.
_WELL_KNOWN: Final[dict[str, dict[str, Any]]] = {
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
}


def reference(name: str) -> dict[str, Any]:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def message_schema(descriptor: Descriptor, found: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a message.

    Args:
        descriptor: type of the message.
        found: receives the schemas of this message and of those in it, by their names.
    """
    if descriptor.full_name in _WELL_KNOWN:
        return _WELL_KNOWN[descriptor.full_name]
    if descriptor.name not in found:
        found[descriptor.name] = {}  # so that a message within itself ends
        found[descriptor.name] = {
            "type": "object",
            "properties": {field.json_name: _field(field, found) for field in descriptor.fields},
            "additionalProperties": False,
        }
    return reference(descriptor.name)


def _field(field: FieldDescriptor, found: dict[str, Any]) -> dict[str, Any]:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _value(message.fields_by_name["value"], found)}
    return {"type": "array", "items": _value(field, found)} if field.is_repeated else _value(field, found)


def _value(field: FieldDescriptor, found: dict[str, Any]) -> dict[str, Any]:
    return _SCALARS[field.type] if field.message_type is None else message_schema(field.message_type, found)
