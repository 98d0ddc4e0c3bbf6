"""Conversion of the requests and results of UpsertItems, DeleteItems and GetItems."""

from __future__ import annotations

from collections.abc import Iterable

from emberline.engine.records import DeleteResult, GetResult, Item, UpsertResult
from emberline.proto import emberline_pb2 as pb

from . import entities, provenance


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
