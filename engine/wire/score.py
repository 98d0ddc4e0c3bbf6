"""Conversion of Score's request and result."""

from __future__ import annotations

from emberline.engine.records import ScoreRequest, ScoreResult
from emberline.proto import emberline_pb2 as pb

from . import entities, provenance, tensors, values


def request_to_message(request: ScoreRequest, priority: int) -> pb.ScoreRequest:
    """Convert a request to a message.

    Raises:
        InvalidInput: a value has the wrong type.
    """
    return pb.ScoreRequest(
        user=entities.user_to_message(request.user, "user"),
        candidates=entities.references_to_messages(request.candidates, "candidates"),
        outputs=values.texts(request.outputs, "outputs"),
        priority=values.integer(priority, "priority"),
    )


def request_from_message(message: pb.ScoreRequest) -> ScoreRequest:
    """Convert a message to a request.

    Raises:
        InvalidInput: a vector cannot be read.
    """
    user = entities.user_from_message(message.user, "user")
    candidates = entities.references_from_messages(message.candidates, "candidates")
    return ScoreRequest(user, candidates, tuple(message.outputs)) if message.outputs else ScoreRequest(user, candidates)


def result_to_message(result: ScoreResult) -> pb.ScoreResponse:
    """Convert a result to a message."""
    return pb.ScoreResponse(
        outputs=tensors.outputs_to_messages(result.outputs),
        provenance=provenance.to_message(result.provenance, result.timings),
    )


def result_from_message(message: pb.ScoreResponse) -> ScoreResult:
    """Convert a message to a result. Its arrays are read-only views of the message's bytes."""
    return ScoreResult(
        tensors.outputs_from_messages(message.outputs),
        provenance.timings_from_message(message.provenance),
        provenance.provenance_from_message(message.provenance),
    )
