"""Conversion of provenance and timings, which travel as one message."""

from __future__ import annotations

from emberline.engine.records import Provenance, Timings
from emberline.proto import emberline_pb2 as pb


def to_message(provenance: Provenance, timings: Timings) -> pb.Provenance:
    """Convert provenance and timings to a message."""
    return pb.Provenance(
        model_id=provenance.model_id,
        precision=provenance.precision,
        timings=pb.Timings(
            queue=timings.queue,
            tokenize=timings.tokenize,
            encode=timings.encode,
            score=timings.score,
            total=timings.total,
        ),
        warnings=provenance.warnings,
    )


def provenance_from_message(message: pb.Provenance) -> Provenance:
    """Convert a message to provenance."""
    return Provenance(message.model_id, message.precision, tuple(message.warnings))


def timings_from_message(message: pb.Provenance) -> Timings:
    """Convert a message to timings."""
    timings = message.timings
    return Timings(timings.queue, timings.tokenize, timings.encode, timings.score, timings.total)
