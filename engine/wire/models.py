"""Conversion of the list of models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from emberline.engine.records import LoadedModel
from emberline.proto import emberline_pb2 as pb


def to_message(records: Iterable[LoadedModel]) -> pb.ListModelsResponse:
    """Convert records to a message."""
    return pb.ListModelsResponse(models=[pb.LoadedModel(**asdict(record)) for record in records])


def from_message(message: pb.ListModelsResponse) -> tuple[LoadedModel, ...]:
    """Convert a message to records."""
    return tuple(
        LoadedModel(
            model.name,
            model.model_id,
            model.precision,
            model.fingerprint,
            model.catalogue_items,
            model.share,
            model.shadow,
        )
        for model in message.models
    )
