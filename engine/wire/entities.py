"""Conversion of items, users and references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

import numpy as np
from google.protobuf.struct_pb2 import Struct

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Floats, Item, ItemReference, StoredItem, User, Value
from emberline.proto import emberline_pb2 as pb

from . import tensors
from .structs import from_struct, to_struct
from .values import reference as checked_reference
from .values import text

_NO_VECTOR: Final = np.zeros(0, np.float32)


def item_to_message(item: Item, field: str) -> pb.Item:
    """Convert an item to a message; `field` is its path in the request, for errors.

    Raises:
        InvalidInput: a value has the wrong type, or a text is not UTF-8.
    """
    if not isinstance(item, Item):
        raise InvalidInput(field, f"is {type(item).__name__}; it must be an Item")
    return pb.Item(
        id=text(item.id, f"{field}.id"),
        text=text(item.text, f"{field}.text"),
        attributes=to_struct(item.attributes, f"{field}.attributes"),
    )


def item_from_message(message: pb.Item) -> Item:
    """Convert a message to an item. The engine validates its values."""
    return Item(message.id, attributes_from_message(message.attributes), message.text)


def user_to_message(user: User, field: str) -> pb.User:
    """Convert a user to a message; `field` is its path in the request, for errors.

    Raises:
        InvalidInput: a value has the wrong type, or a text is not UTF-8.
    """
    if not isinstance(user, User):
        raise InvalidInput(field, f"is {type(user).__name__}; it must be a User")
    return pb.User(
        profile=text(user.profile, f"{field}.profile"),
        attributes=to_struct(user.attributes, f"{field}.attributes"),
        history=references_to_messages(user.history, f"{field}.history"),
    )


def user_from_message(message: pb.User, field: str) -> User:
    """Convert a message to a user; `field` is its path in the request, for errors.

    Raises:
        InvalidInput: a vector of the history cannot be read.
    """
    return User(
        message.profile,
        attributes_from_message(message.attributes),
        references_from_messages(message.history, f"{field}.history"),
    )


def references_to_messages(references: Sequence[ItemReference], field: str) -> list[pb.ItemReference]:
    """Convert references to messages; `field` is the list's path in the request, for errors.

    Raises:
        InvalidInput: an entry is not a reference, or has none or several of id, text and vector.
    """
    return [reference_to_message(reference, f"{field}[{index}]") for index, reference in enumerate(references)]


def references_from_messages(messages: Iterable[pb.ItemReference], field: str) -> tuple[ItemReference, ...]:
    """Convert messages to references; `field` is the list's path in the request, for errors.

    Raises:
        InvalidInput: a vector cannot be read.
    """
    return tuple(reference_from_message(message, f"{field}[{index}]") for index, message in enumerate(messages))


def stored_to_message(record: StoredItem, *, vectors: bool) -> pb.StoredItem:
    """Convert an item of the catalogue to a message, with its vectors or without."""
    message = pb.StoredItem(
        item=pb.Item(id=record.item.id, text=record.item.text, attributes=to_struct(record.item.attributes)),
        updated=record.updated,
        item_bias=record.bias,
    )
    if vectors:
        message.sentence_embedding.CopyFrom(tensors.to_message(record.embedding))
        message.item_embedding.CopyFrom(tensors.to_message(record.vector))
    return message


def stored_from_message(message: pb.StoredItem) -> StoredItem:
    """Convert a message to an item of the catalogue. Vectors that were not sent are empty, (0,)."""

    def read(name: str) -> Floats:
        return tensors.from_message(getattr(message, name), name) if message.HasField(name) else _NO_VECTOR

    return StoredItem(
        item=item_from_message(message.item),
        embedding=read("sentence_embedding"),
        vector=read("item_embedding"),
        bias=message.item_bias,
        updated=message.updated,
    )


def attributes_from_message(message: Struct) -> Mapping[str, Value]:
    """Convert a message to attributes. The engine validates the type of each value."""
    return cast("Mapping[str, Value]", from_struct(message))


def reference_to_message(reference: ItemReference, field: str) -> pb.ItemReference:
    """Convert a reference to a message.

    Raises:
        InvalidInput: it is not a reference, or a value has the wrong type.
    """
    checked = checked_reference(reference, field)
    if checked.vector is not None:
        return pb.ItemReference(vector=tensors.to_message(checked.vector))
    return pb.ItemReference(id=checked.id, text=checked.text)


def reference_from_message(message: pb.ItemReference, field: str) -> ItemReference:
    """Convert a message to a reference.

    Raises:
        InvalidInput: the vector cannot be read.
    """
    match message.WhichOneof("reference"):
        case "id":
            return ItemReference(id=message.id)
        case "text":
            return ItemReference(text=message.text)
        case "vector":
            return ItemReference(vector=tensors.from_message(message.vector, f"{field}.vector"))
        case _:
            return ItemReference()
