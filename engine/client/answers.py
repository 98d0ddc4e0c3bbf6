"""What a server answers, as records with NumPy arrays. The arrays are views of the message's bytes, not writable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import numpy as np

from emberline.engine.records import (
    Deleted,
    Encoded,
    Floats,
    Found,
    Info,
    Item,
    Provenance,
    Reason,
    Recommendation,
    Recommended,
    Scored,
    StoredItem,
    Timings,
    Upserted,
)
from emberline.engine.rendering import Value
from emberline.engine.structs import from_struct
from emberline.engine.tensors import from_message
from emberline.proto import emberline_pb2 as pb

_NO_VECTOR: Final = np.zeros(0, np.float32)


def encoded(answer: pb.EncodeResponse) -> Encoded:
    """The answer to Encode."""
    return Encoded(
        outputs=_outputs(answer.outputs),
        tokens=np.array(answer.tokens, np.int64),
        truncated=np.array(answer.truncated, np.bool_),
        timings=_timings(answer.provenance),
        provenance=_provenance(answer.provenance),
    )


def scored(answer: pb.ScoreResponse) -> Scored:
    """The answer to Score."""
    return Scored(_outputs(answer.outputs), _timings(answer.provenance), _provenance(answer.provenance))


def recommended(answer: pb.RecommendResponse) -> Recommended:
    """The answer to Recommend."""
    return Recommended(
        items=tuple(map(_recommendation, answer.items)),
        considered=answer.considered,
        timings=_timings(answer.provenance),
        provenance=_provenance(answer.provenance),
    )


def upserted(answer: pb.UpsertItemsResponse) -> Upserted:
    """The answer to UpsertItems."""
    return Upserted(answer.inserted, answer.replaced, _timings(answer.provenance), _provenance(answer.provenance))


def deleted(answer: pb.DeleteItemsResponse) -> Deleted:
    """The answer to DeleteItems."""
    return Deleted(answer.deleted, tuple(answer.unknown_ids))


def found(answer: pb.GetItemsResponse) -> Found:
    """The answer to GetItems."""
    return Found(tuple(map(_stored, answer.items)), tuple(answer.unknown_ids))


def info(answer: pb.InfoResponse) -> Info:
    """The answer to Info."""
    return Info(
        model_id=answer.model_id,
        precision=answer.precision,
        device=answer.device,
        version=answer.version,
        max_length=answer.max_length,
        hidden=answer.hidden,
        dimensions=answer.dimensions,
        outputs=tuple(answer.outputs),
        item_labels=tuple(answer.item_labels),
        user_labels=tuple(answer.user_labels),
        catalogue_items=answer.catalogue_items,
        max_inputs=answer.max_inputs,
        max_text_bytes=answer.max_text_bytes,
        max_k=answer.max_k,
        gate=answer.gate,
        fingerprint=answer.fingerprint,
        item_fields=tuple(answer.item_fields),
        user_fields=tuple(answer.user_fields),
        uptime=answer.uptime,
        device_notes=tuple(answer.device_notes),
        catalogue_vectors=answer.catalogue_vectors,
        catalogue_bytes=answer.catalogue_bytes,
    )


def _outputs(outputs: Mapping[str, pb.Tensor]) -> dict[str, Floats]:
    return {name: from_message(outputs[name], f"outputs[{name}]") for name in sorted(outputs)}


def _recommendation(item: pb.Recommendation) -> Recommendation:
    return Recommendation(
        id=item.id,
        similarity=item.similarity,
        probability=item.probability if item.HasField("probability") else None,
        rating=item.rating if item.HasField("rating") else None,
        attributes=_attributes(item),
        reason=_reason(item.reason) if item.HasField("reason") else None,
    )


def _reason(reason: pb.Reason) -> Reason:
    return Reason(
        because_of=reason.because_of,
        nearness=reason.nearness,
        shared_attributes=tuple(reason.shared_attributes),
        predicted_likes=tuple(reason.predicted_likes),
    )


def _stored(stored: pb.StoredItem) -> StoredItem:
    def vector(name: str) -> Floats:
        return from_message(getattr(stored, name), name) if stored.HasField(name) else _NO_VECTOR

    return StoredItem(
        item=Item(stored.item.id, _attributes(stored.item), stored.item.text),
        embedding=vector("sentence_embedding"),
        vector=vector("item_embedding"),
        bias=stored.item_bias,
        updated=stored.updated,
    )


def _attributes(message: pb.Item | pb.Recommendation) -> dict[str, Value]:
    # A server keeps nothing but texts, numbers and lists of texts.
    return cast("dict[str, Value]", from_struct(message.attributes))


def _timings(provenance: pb.Provenance) -> Timings:
    timings = provenance.timings
    return Timings(timings.queue, timings.tokenise, timings.encode, timings.score, timings.total)


def _provenance(provenance: pb.Provenance) -> Provenance:
    return Provenance(provenance.model_id, provenance.precision)
