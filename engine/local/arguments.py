"""Checks of a caller's records. A server gets them through messages, which know no other types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from emberline.engine.errors import InvalidInput
from emberline.engine.records import (
    EncodeRequest,
    Filter,
    Input,
    Item,
    ItemReference,
    ListRequest,
    RecommendRequest,
    ScoreRequest,
    SimilarRequest,
    User,
)
from emberline.engine.wire import values

R = TypeVar("R")


def encode(request: EncodeRequest) -> EncodeRequest:
    """Check a request to encode.

    Raises:
        InvalidInput: a value has the wrong type, as for all functions here.
    """
    inputs = values.listed(request.inputs, "inputs")
    return replace(
        request,
        inputs=tuple(_input(entry, f"inputs[{index}]") for index, entry in enumerate(inputs)),
        outputs=tuple(values.texts(request.outputs, "outputs")),
        dimensions=values.integer(request.dimensions, "dimensions"),
        normalize=values.flag(request.normalize, "normalize"),
    )


def score(request: ScoreRequest) -> ScoreRequest:
    """Check a request to score."""
    return replace(
        request,
        user=_user(request.user, "user"),
        candidates=_references(request.candidates, "candidates"),
        outputs=tuple(values.texts(request.outputs, "outputs")),
    )


def recommend(request: RecommendRequest) -> RecommendRequest:
    """Check a request for recommendations."""
    if not isinstance(request, RecommendRequest):
        raise InvalidInput("requests", f"has a {type(request).__name__}; each must be a RecommendRequest")
    return RecommendRequest(
        user=_user(request.user, "user"),
        k=values.integer(request.k, "k"),
        filters=_filters(request.filters),
        include_history=values.flag(request.include_history, "include_history"),
        exclude_ids=tuple(values.texts(request.exclude_ids, "exclude_ids")),
        diversity=values.number(request.diversity, "diversity"),
        reasons=values.flag(request.reasons, "reasons"),
        outputs=tuple(values.texts(request.outputs, "outputs")),
        new_item_weight=values.number(request.new_item_weight, "new_item_weight"),
    )


def similar(request: SimilarRequest) -> SimilarRequest:
    """Check a request for similar items."""
    return SimilarRequest(
        values.reference(request.item, "item"),
        values.integer(request.k, "k"),
        _filters(request.filters),
        tuple(values.texts(request.exclude_ids, "exclude_ids")),
    )


def page(request: ListRequest) -> ListRequest:
    """Check a request for a page of the catalogue."""
    return ListRequest(
        values.integer(request.page_size, "page_size"),
        values.text(request.page_token, "page_token"),
        _filters(request.filters),
    )


def items(entries: Iterable[Item]) -> tuple[Item, ...]:
    """Check items to store."""
    return tuple(_item(entry, f"items[{index}]") for index, entry in enumerate(values.listed(entries, "items")))


def _input(entry: Input, field: str) -> Input:
    match entry:
        case str():
            return values.text(entry, f"{field}.text")
        case Item():
            return _item(entry, f"{field}.item")
        case User():
            return _user(entry, f"{field}.user")
    raise InvalidInput(field, f"is {type(entry).__name__}; it must be a text, an Item or a User")


def _item(item: Item, field: str) -> Item:
    _kind(item, Item, field)
    return Item(
        values.text(item.id, f"{field}.id"),
        values.attributes(item.attributes, f"{field}.attributes"),
        values.text(item.text, f"{field}.text"),
    )


def _user(user: User, field: str) -> User:
    _kind(user, User, field)
    return User(
        values.text(user.profile, f"{field}.profile"),
        values.attributes(user.attributes, f"{field}.attributes"),
        _references(user.history, f"{field}.history"),
    )


def _references(references: Iterable[ItemReference], field: str) -> tuple[ItemReference, ...]:
    listed = values.listed(references, field)
    return tuple(values.reference(reference, f"{field}[{index}]") for index, reference in enumerate(listed))


def _filters(filters: Iterable[Filter]) -> tuple[Filter, ...]:
    return tuple(_filter(condition, f"filters[{index}]") for index, condition in enumerate(filters))


def _filter(condition: Filter, field: str) -> Filter:
    _kind(condition, Filter, field)
    return replace(
        condition,
        field=values.text(condition.field, f"{field}.field"),
        any_of=tuple(values.texts(condition.any_of, f"{field}.any_of")),
        minimum=None if condition.minimum is None else values.number(condition.minimum, f"{field}.minimum"),
        maximum=None if condition.maximum is None else values.number(condition.maximum, f"{field}.maximum"),
        exclude=values.flag(condition.exclude, f"{field}.exclude"),
    )


def _kind(record: object, kind: type, field: str) -> None:
    if not isinstance(record, kind):
        article = "an" if kind.__name__[0] in "AEIOU" and kind is not User else "a"
        raise InvalidInput(field, f"is {type(record).__name__}; it must be {article} {kind.__name__}")
