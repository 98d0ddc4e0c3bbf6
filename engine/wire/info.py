"""Conversion of Info's result."""

from __future__ import annotations

from dataclasses import asdict

from emberline.engine.records import Info
from emberline.proto import emberline_pb2 as pb


def to_message(record: Info) -> pb.InfoResponse:
    """Convert a record to a message."""
    return pb.InfoResponse(**asdict(record))


def from_message(message: pb.InfoResponse) -> Info:
    """Convert a message to a record."""
    return Info(
        model_id=message.model_id,
        precision=message.precision,
        device=message.device,
        version=message.version,
        max_length=message.max_length,
        hidden=message.hidden,
        dimensions=message.dimensions,
        outputs=tuple(message.outputs),
        item_labels=tuple(message.item_labels),
        user_labels=tuple(message.user_labels),
        catalogue_items=message.catalogue_items,
        max_inputs=message.max_inputs,
        max_text_bytes=message.max_text_bytes,
        max_k=message.max_k,
        gate=message.gate,
        fingerprint=message.fingerprint,
        item_fields=tuple(message.item_fields),
        user_fields=tuple(message.user_fields),
        uptime=message.uptime,
        device_notes=tuple(message.device_notes),
        catalogue_vectors=message.catalogue_vectors,
        catalogue_bytes=message.catalogue_bytes,
    )
