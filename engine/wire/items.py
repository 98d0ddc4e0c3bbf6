"""Conversion of the requests and results of UpsertItems, DeleteItems, GetItems and ListItems."""

from __future__ import annotations

from collections.abc import Iterable

from emberline.engine.records import DeleteResult, GetResult, Item, ListRequest, ListResult, UpsertResult
from emberline.proto import emberline_pb2 as pb

from . import entities, provenance, values
from .recommend import filters_from_messages, filters_to_messages


def upsert_to_message(items: Iterable[Item]) -> pb.UpsertItemsRequest:
    """Convert items to store to a message.

    Raises:
        InvalidInput: a value has the wrong type.
    """
    return pb.UpsertItemsRequest(
        items=[entities.item_to_message(item, f"items[{index}]") for index, item in enumerate(items)]
    )


def upsert_from_message(message: pb.UpsertItemsRequest) -> tuple[Item, ...]:
    """Convert a message to the items to store. The engine validates their values."""
    return tuple(entities.item_from_message(item) for item in message.items)


def upsert_result_to_message(result: UpsertResult) -> pb.UpsertItemsResponse:
    """Convert a result to a message."""
    return pb.UpsertItemsResponse(
        inserted=result.inserted,
        replaced=result.replaced,
        provenance=provenance.to_message(result.provenance, result.timings),
    )


def upsert_result_from_message(message: pb.UpsertItemsResponse) -> UpsertResult:
    """Convert a message to a result."""
    return UpsertResult(
        message.inserted,
        message.replaced,
        provenance.timings_from_message(message.provenance),
        provenance.provenance_from_message(message.provenance),
    )


def delete_from_message(message: pb.DeleteItemsRequest) -> tuple[str, ...]:
    """A message as the ids to delete."""
    return tuple(message.ids)


def get_from_message(message: pb.GetItemsRequest) -> tuple[tuple[str, ...], bool]:
    """A message as the ids to look up, and whether their vectors are wanted."""
    return tuple(message.ids), message.vectors


def delete_result_to_message(result: DeleteResult) -> pb.DeleteItemsResponse:
    """Convert a result to a message."""
    return pb.DeleteItemsResponse(deleted=result.deleted, unknown_ids=result.unknown_ids)


def delete_result_from_message(message: pb.DeleteItemsResponse) -> DeleteResult:
    """Convert a message to a result."""
    return DeleteResult(message.deleted, tuple(message.unknown_ids))


def get_result_to_message(result: GetResult, *, vectors: bool) -> pb.GetItemsResponse:
    """Convert a result to a message, with the items' vectors or without."""
    return pb.GetItemsResponse(
        items=[entities.stored_to_message(item, vectors=vectors) for item in result.items],
        unknown_ids=result.unknown_ids,
    )


def get_result_from_message(message: pb.GetItemsResponse) -> GetResult:
    """Convert a message to a result. Its arrays are read-only views of the message's bytes."""
    return GetResult(tuple(map(entities.stored_from_message, message.items)), tuple(message.unknown_ids))


def list_to_message(request: ListRequest, vectors: bool) -> pb.ListItemsRequest:
    """Convert a request for a page to a message.

    Raises:
        InvalidInput: a value has the wrong type.
    """
    return pb.ListItemsRequest(
        page_size=values.integer(request.page_size, "page_size"),
        page_token=values.text(request.page_token, "page_token"),
        filters=filters_to_messages(request.filters),
        vectors=values.flag(vectors, "vectors"),
    )


def list_from_message(message: pb.ListItemsRequest) -> tuple[ListRequest, bool]:
    """Convert a message to a request for a page, and whether the items' vectors are wanted."""
    filters = filters_from_messages(message.filters)
    return ListRequest(message.page_size, message.page_token, filters), message.vectors


def list_result_to_message(result: ListResult, *, vectors: bool) -> pb.ListItemsResponse:
    """Convert a page to a message, with the items' vectors or without."""
    return pb.ListItemsResponse(
        items=[entities.stored_to_message(item, vectors=vectors) for item in result.items],
        next_page_token=result.next_page_token,
        total=result.total,
    )


def list_result_from_message(message: pb.ListItemsResponse) -> ListResult:
    """Convert a message to a page. Its arrays are read-only views of the message's bytes."""
    items = tuple(map(entities.stored_from_message, message.items))
    return ListResult(items, message.next_page_token, message.total)
