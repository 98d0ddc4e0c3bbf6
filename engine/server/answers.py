"""Records as messages."""

from __future__ import annotations

from dataclasses import asdict

from emberline.engine import tensors
from emberline.engine.records import (
    Deleted,
    Encoded,
    Found,
    Info,
    Provenance,
    Reason,
    Recommendation,
    Recommended,
    Scored,
    StoredItem,
    Timings,
    Upserted,
)
from emberline.engine.structs import to_struct
from emberline.proto import emberline_pb2 as pb


def encoded(record: Encoded) -> pb.EncodeResponse:
    """The answer to an encode request."""
    return pb.EncodeResponse(
        outputs={name: tensors.to_message(array) for name, array in record.outputs.items()},
        tokens=record.tokens.tolist(),
        truncated=record.truncated.tolist(),
        provenance=_provenance(record.provenance, record.timings),
    )


def scored(record: Scored) -> pb.ScoreResponse:
    """The answer to a score request."""
    return pb.ScoreResponse(
        outputs={name: tensors.to_message(array) for name, array in record.outputs.items()},
        provenance=_provenance(record.provenance, record.timings),
    )


def recommended(record: Recommended) -> pb.RecommendResponse:
    """The answer to a recommend request."""
    return pb.RecommendResponse(
        items=[_recommendation(item) for item in record.items],
        considered=record.considered,
        provenance=_provenance(record.provenance, record.timings),
    )


def upserted(record: Upserted) -> pb.UpsertItemsResponse:
    """The answer to an upsert."""
    return pb.UpsertItemsResponse(
        inserted=record.inserted,
        replaced=record.replaced,
        provenance=_provenance(record.provenance, record.timings),
    )


def deleted(record: Deleted) -> pb.DeleteItemsResponse:
    """The answer to a deletion."""
    return pb.DeleteItemsResponse(deleted=record.deleted, unknown_ids=record.unknown_ids)


def found(record: Found, *, vectors: bool) -> pb.GetItemsResponse:
    """The items that were asked for, with their vectors or without."""
    return pb.GetItemsResponse(
        items=[_stored(item, vectors=vectors) for item in record.items], unknown_ids=record.unknown_ids
    )


def info(record: Info) -> pb.InfoResponse:
    """What runs."""
    return pb.InfoResponse(**asdict(record))


def _provenance(record: Provenance, timings: Timings) -> pb.Provenance:
    return pb.Provenance(
        model_id=record.model_id,
        precision=record.precision,
        timings=pb.Timings(
            queue=timings.queue,
            tokenise=timings.tokenise,
            encode=timings.encode,
            score=timings.score,
            total=timings.total,
        ),
    )


def _recommendation(record: Recommendation) -> pb.Recommendation:
    return pb.Recommendation(
        id=record.id,
        similarity=record.similarity,
        probability=record.probability,
        rating=record.rating,
        attributes=to_struct(record.attributes),
        reason=_reason(record.reason) if record.reason else None,
    )


def _reason(record: Reason) -> pb.Reason:
    return pb.Reason(
        because_of=record.because_of,
        nearness=record.nearness,
        shared_attributes=record.shared_attributes,
        predicted_likes=record.predicted_likes,
    )


def _stored(record: StoredItem, *, vectors: bool) -> pb.StoredItem:
    message = pb.StoredItem(
        item=pb.Item(id=record.item.id, text=record.item.text, attributes=to_struct(record.item.attributes)),
        updated=record.updated,
        item_bias=record.bias,
    )
    if vectors:
        message.sentence_embedding.CopyFrom(tensors.to_message(record.embedding))
        message.item_embedding.CopyFrom(tensors.to_message(record.vector))
    return message
