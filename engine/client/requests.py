"""What a caller asks for, as the contract's messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from emberline.engine.errors import InvalidInput
from emberline.engine.records import EncodeWork, Item, ItemReference, RecommendWork, ScoreWork, User
from emberline.engine.structs import to_struct
from emberline.engine.tensors import to_message
from emberline.proto import emberline_pb2 as pb

T = TypeVar("T")

#: What can be encoded: a text as it is, or an item's or user's rendered attributes.
Input = str | Item | User


def listed(values: Iterable[T], field: str) -> tuple[T, ...]:
    """Values as a tuple.

    Raises:
        InvalidInput: they are one text, which Python would take for the list of its letters.
    """
    if isinstance(values, str):
        raise InvalidInput(field, f"is one text, {values!r}; put it into a list")
    return tuple(values)


def encode_request(work: EncodeWork, priority: int) -> pb.EncodeRequest:
    """See `Client.encode`.

    Raises:
        InvalidInput: an input or an attribute is of a kind that it cannot be.
    """
    return pb.EncodeRequest(
        inputs=[_input(entry, f"inputs[{index}]") for index, entry in enumerate(work.inputs)],
        outputs=work.outputs,
        priority=priority,
    )


def score_request(work: ScoreWork, priority: int) -> pb.ScoreRequest:
    """See `Client.score`.

    Raises:
        InvalidInput: an attribute or a reference is of a kind that it cannot be.
    """
    return pb.ScoreRequest(
        user=_user(work.user, "user"),
        candidates=_references(work.candidates, "candidates"),
        outputs=work.outputs,
        priority=priority,
    )


def recommend_request(work: RecommendWork, priority: int) -> pb.RecommendRequest:
    """See `Client.recommend`.

    Raises:
        InvalidInput: an attribute or a reference is of a kind that it cannot be, or k is out of the contract's range.
    """
    if not 0 < work.k < 2**31:
        raise InvalidInput("k", f"is {work.k}; ask for 1 item or more, up to the server's max_k")
    return pb.RecommendRequest(
        user=_user(work.user, "user"),
        k=work.k,
        filters=[
            pb.Filter(
                field=wanted.field,
                any_of=wanted.any_of,
                minimum=wanted.minimum,
                maximum=wanted.maximum,
                exclude=wanted.exclude,
            )
            for wanted in work.filters
        ],
        include_history=work.include_history,
        exclude_ids=work.exclude_ids,
        diversity=work.diversity,
        reasons=work.reasons,
        outputs=work.outputs,
        priority=priority,
    )


def upsert_request(items: Iterable[Item]) -> pb.UpsertItemsRequest:
    """See `Client.upsert_items`.

    Raises:
        InvalidInput: an attribute is of a kind that it cannot be.
    """
    return pb.UpsertItemsRequest(items=[_item(item, f"items[{index}]") for index, item in enumerate(items)])


def ids_of(ids: Iterable[str]) -> tuple[str, ...]:
    """The ids of items, for `Client.delete_items` and `Client.get_items`.

    Raises:
        InvalidInput: they are one text, or one is not UTF-8.
    """
    given = listed(ids, "ids")
    for index, item_id in enumerate(given):
        with _unicode(f"ids[{index}]"):
            item_id.encode()
    return given


def _input(entry: Input, field: str) -> pb.Input:
    match entry:
        case str():
            with _unicode(f"{field}.text"):
                return pb.Input(text=entry)
        case Item():
            return pb.Input(item=_item(entry, f"{field}.item"))
        case User():
            return pb.Input(user=_user(entry, f"{field}.user"))
    raise InvalidInput(field, f"is {type(entry).__name__}; it must be a text, an Item or a User")


def _item(item: Item, field: str) -> pb.Item:
    with _unicode(field):
        return pb.Item(id=item.id, text=item.text, attributes=to_struct(item.attributes, f"{field}.attributes"))


def _user(user: User, field: str) -> pb.User:
    with _unicode(field):
        return pb.User(
            profile=user.profile,
            attributes=to_struct(user.attributes, f"{field}.attributes"),
            history=_references(user.history, f"{field}.history"),
        )


def _references(references: Sequence[ItemReference], field: str) -> list[pb.ItemReference]:
    return [_reference(reference, f"{field}[{index}]") for index, reference in enumerate(references)]


def _reference(reference: ItemReference, field: str) -> pb.ItemReference:
    if not isinstance(reference, ItemReference):
        kind = type(reference).__name__
        raise InvalidInput(field, f"is {kind}; name an item with by_id(…), by_text(…) or by_vector(…)")
    if sum(given is not None for given in (reference.id, reference.text, reference.vector)) != 1:
        raise InvalidInput(field, "must have exactly one of id, text and vector")
    with _unicode(field):
        if reference.id is not None:
            return pb.ItemReference(id=reference.id)
        if reference.text is not None:
            return pb.ItemReference(text=reference.text)
    return pb.ItemReference(vector=to_message(np.asarray(reference.vector, np.float32)))


@contextmanager
def _unicode(field: str) -> Iterator[None]:
    """Bytes that were no UTF-8 become lone surrogates where Python reads them from a command line or a file's name."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InvalidInput(field, f"is not UTF-8 ({error.reason} at {error.start}); encode the text as UTF-8") from None
