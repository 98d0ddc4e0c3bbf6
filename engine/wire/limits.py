"""Limits of a message's lists, which are checked on its bytes before protobuf creates an object for every entry.

Sixteen million empty inputs take 32 MB on the wire and over a gigabyte as objects. The scan walks the tags of a message
and of its parts that can hold lists, and stops at the first list that is too long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from emberline.engine.errors import InvalidInput

#: Maximum number of outputs in a request; fewer are defined.
_MAX_OUTPUTS: Final = 32
#: Maximum number of fields in a request, nested messages included; a thousand items with forty attributes have fewer.
_MAX_FIELDS: Final = 400_000

_VARINT, _FIXED64, _BYTES, _FIXED32, _GROUP = 0, 1, 2, 5, (3, 4)
#: Types whose lists have one record an entry; all others may be packed into one.
_UNPACKED: Final = (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_FIXED_SIZES: Final = {
    **dict.fromkeys((FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32), 4),
    **dict.fromkeys((FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64), 8),
}
#: Bytes of a varint but its last.
_CONTINUED: Final = bytes(range(128, 256))


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """Maximum numbers of entries in a request's lists.

    Attributes:
        inputs: limit of inputs, candidates, items, ids, a user's history, values of a filter, texts of an attribute.
        filters: limit of the filters of a recommendation.
        excluded: limit of the ids that a recommendation leaves out.
        attributes: limit of the attributes of an item or a user.
    """

    inputs: int
    filters: int
    excluded: int
    attributes: int

    def by_field(self) -> Mapping[str, int]:
        """Return the limits by the full names of the lists in the contract."""
        return {
            **dict.fromkeys(_INPUTS, self.inputs),
            **dict.fromkeys(_FILTERS, self.filters),
            **dict.fromkeys(_EXCLUDED, self.excluded),
            "google.protobuf.Struct.fields": self.attributes,
            **dict.fromkeys(_OUTPUTS, _MAX_OUTPUTS),
        }


_INPUTS: Final = (
    "emberline.v1.EncodeRequest.inputs",
    "emberline.v1.ScoreRequest.candidates",
    "emberline.v1.UpsertItemsRequest.items",
    "emberline.v1.DeleteItemsRequest.ids",
    "emberline.v1.GetItemsRequest.ids",
    "emberline.v1.RecommendManyRequest.requests",
    "emberline.v1.User.history",
    "emberline.v1.Filter.any_of",
    "google.protobuf.ListValue.values",
)
_FILTERS: Final = tuple(f"emberline.v1.{name}Request.filters" for name in ("Recommend", "SimilarItems", "ListItems"))
_EXCLUDED: Final = tuple(f"emberline.v1.{name}Request.exclude_ids" for name in ("Recommend", "SimilarItems"))
_OUTPUTS: Final = tuple(f"emberline.v1.{name}Request.outputs" for name in ("Encode", "Score", "Recommend"))


def check_lists(descriptor: Descriptor, raw: bytes, limits: Mapping[str, int]) -> None:
    """Check the lists of a message before it is parsed. Invalid bytes pass, because parsing reports them.

    Args:
        descriptor: type of the message.
        raw: bytes of the message.
        limits: maximum numbers of entries, by the full names of the lists.

    Raises:
        InvalidInput: a list has too many entries, or the message too many fields.
    """
    _Scan(raw, limits).message(descriptor, 0, len(raw), "")


class _Scan:
    def __init__(self, raw: bytes, limits: Mapping[str, int]) -> None:
        self._raw = raw
        self._limits = limits
        self._fields = 0

    def message(self, descriptor: Descriptor, start: int, end: int, path: str) -> None:
        """Walk one message between two positions."""
        known = _fields(descriptor)
        counts: dict[int, int] = {}
        position = start
        while position < end:
            tag, position = self._varint(position, end)
            kind, number = tag & 7, tag >> 3
            self._count(1)
            length = 0
            if kind == _BYTES:
                length, position = self._varint(position, end)
            elif kind == _VARINT:
                _, position = self._varint(position, end)
            elif kind in (_FIXED32, _FIXED64):
                position += 4 if kind == _FIXED32 else 8
            elif kind not in _GROUP:  # what is in a group counts as if it were here; parsing skips it
                return  # invalid; parsing reports it
            field = known.get(number)
            if field is not None:
                entries = self._entries(field, kind, position, length)
                self._count(entries - 1)
                index = counts[number] = counts.get(number, -1) + entries
                limit = self._limits.get(field.full_name)
                name = f"{path}.{field.name}".lstrip(".")
                if limit is not None and index >= limit:
                    raise InvalidInput(name, f"has more than {limit} entries; send several requests")
                if kind == _BYTES and field.message_type is not None:
                    inner = f"{name}[{index}]" if field.is_repeated else name
                    self.message(field.message_type, position, min(position + length, end), inner)
            position += length

    def _count(self, fields: int) -> None:
        self._fields += fields
        if self._fields > _MAX_FIELDS:
            raise InvalidInput("request", f"has more than {_MAX_FIELDS:,} values; send it in parts")

    def _entries(self, field: FieldDescriptor, kind: int, position: int, length: int) -> int:
        """Return how many entries a field has here: several where numbers are packed."""
        if kind != _BYTES or field.type in _UNPACKED:
            return 1
        if size := _FIXED_SIZES.get(field.type):
            return length // size
        return len(self._raw[position : position + length].translate(None, _CONTINUED))

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        """Read a number. Past the end it is 0, and the walk ends."""
        value = shift = 0
        while position < end:
            byte = self._raw[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80 or shift > 63:
                return value, position
            shift += 7
        return 0, end


@cache
def _fields(descriptor: Descriptor) -> Mapping[int, FieldDescriptor]:
    """Return the fields of a message that are lists or may contain lists."""
    return {
        field.number: field
        for field in descriptor.fields
        if field.is_repeated or (field.message_type is not None and _holds_lists(field.message_type))
    }


@cache
def _holds_lists(descriptor: Descriptor) -> bool:
    return _reaches(descriptor, frozenset())


def _reaches(descriptor: Descriptor, above: frozenset[str]) -> bool:
    """Return whether a message or a nested one has a list. Values of attributes may be nested in each other."""
    if descriptor.full_name in above:
        return False
    above |= {descriptor.full_name}
    return any(
        field.is_repeated or (field.message_type is not None and _reaches(field.message_type, above))
        for field in descriptor.fields
    )
