"""Messages as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from google.protobuf.struct_pb2 import Struct

from emberline.engine import tensors
from emberline.engine.errors import InvalidInput
from emberline.engine.records import EncodeWork, Filter, Item, ItemReference, RecommendWork, ScoreWork, User
from emberline.engine.rendering import Value
from emberline.engine.structs import from_struct
from emberline.proto import emberline_pb2 as pb


def encode_work(message: pb.EncodeRequest) -> EncodeWork:
    """What an encode request asks for.

    Raises:
        InvalidInput: an input has nothing set, or a vector cannot be read.
    """
    inputs = tuple(_input(entry, f"inputs[{index}]") for index, entry in enumerate(message.inputs))
    return EncodeWork(inputs, tuple(message.outputs)) if message.outputs else EncodeWork(inputs)


def score_work(message: pb.ScoreRequest) -> ScoreWork:
    """What a score request asks for.

    Raises:
        InvalidInput: a vector cannot be read.
    """
    given = user(message.user, "user")
    candidates = _references(message.candidates, "candidates")
    return ScoreWork(given, candidates, tuple(message.outputs)) if message.outputs else ScoreWork(given, candidates)


def recommend_work(message: pb.RecommendRequest) -> RecommendWork:
    """What a recommend request asks for.

    Raises:
        InvalidInput: a vector cannot be read.
    """
    return RecommendWork(
        user=user(message.user, "user"),
        k=message.k,
        filters=tuple(_filter(entry) for entry in message.filters),
        include_history=message.include_history,
        exclude_ids=tuple(message.exclude_ids),
        diversity=message.diversity,
        reasons=message.reasons,
        outputs=tuple(message.outputs),
    )


def item(message: pb.Item) -> Item:
    """An item. The engine checks its values."""
    return Item(message.id, _attributes(message.attributes), message.text)


def user(message: pb.User, field: str) -> User:
    """A user; `field` is where it stands in the request.

    Raises:
        InvalidInput: a vector of the history cannot be read.
    """
    return User(message.profile, _attributes(message.attributes), _references(message.history, f"{field}.history"))


def _input(message: pb.Input, field: str) -> str | Item | User:
    match message.WhichOneof("input"):
        case "text":
            return message.text
        case "item":
            return item(message.item)
        case "user":
            return user(message.user, f"{field}.user")
        case _:
            raise InvalidInput(field, "has nothing set; set one of text, item and user")


def _references(messages: Iterable[pb.ItemReference], field: str) -> tuple[ItemReference, ...]:
    return tuple(_reference(message, f"{field}[{index}]") for index, message in enumerate(messages))


def _reference(message: pb.ItemReference, field: str) -> ItemReference:
    match message.WhichOneof("reference"):
        case "id":
            return ItemReference(id=message.id)
        case "text":
            return ItemReference(text=message.text)
        case "vector":
            return ItemReference(vector=tensors.from_message(message.vector, f"{field}.vector"))
        case _:
            return ItemReference()


def _filter(message: pb.Filter) -> Filter:
    return Filter(
        field=message.field,
        any_of=tuple(message.any_of),
        minimum=message.minimum if message.HasField("minimum") else None,
        maximum=message.maximum if message.HasField("maximum") else None,
        exclude=message.exclude,
    )


def _attributes(message: Struct) -> Mapping[str, Value]:
    # The engine checks what kind each value is, and names it.
    return cast("Mapping[str, Value]", from_struct(message))
