"""Conversion of SimilarItems' request and result."""

from __future__ import annotations

from emberline.engine.records import SimilarItem, SimilarRequest, SimilarResult
from emberline.proto import emberline_pb2 as pb

from . import entities, provenance, values
from .recommend import filters_from_messages, filters_to_messages
from .structs import to_struct


def request_to_message(request: SimilarRequest, priority: int) -> pb.SimilarItemsRequest:
    """Convert a request to a message.

    Raises:
        InvalidInput: a value has the wrong type.
    """
    return pb.SimilarItemsRequest(
        item=entities.reference_to_message(request.item, "item"),
        k=values.integer(request.k, "k"),
        filters=filters_to_messages(request.filters),
        exclude_ids=values.texts(request.exclude_ids, "exclude_ids"),
        priority=values.integer(priority, "priority"),
    )


def request_from_message(message: pb.SimilarItemsRequest) -> SimilarRequest:
    """Convert a message to a request.

    Raises:
        InvalidInput: a vector cannot be read.
    """
    return SimilarRequest(
        item=entities.reference_from_message(message.item, "item"),
        k=message.k,
        filters=filters_from_messages(message.filters),
        exclude_ids=tuple(message.exclude_ids),
    )


def result_to_message(result: SimilarResult) -> pb.SimilarItemsResponse:
    """Convert a result to a message."""
    return pb.SimilarItemsResponse(
        items=[
            pb.SimilarItem(id=item.id, similarity=item.similarity, attributes=to_struct(item.attributes))
            for item in result.items
        ],
        considered=result.considered,
        provenance=provenance.to_message(result.provenance, result.timings),
    )


def result_from_message(message: pb.SimilarItemsResponse) -> SimilarResult:
    """Convert a message to a result."""
    return SimilarResult(
        items=tuple(
            SimilarItem(item.id, item.similarity, entities.attributes_from_message(item.attributes))
            for item in message.items
        ),
        considered=message.considered,
        timings=provenance.timings_from_message(message.provenance),
        provenance=provenance.provenance_from_message(message.provenance),
    )
