"""Conversion of Encode's request and result."""

from __future__ import annotations

import numpy as np

from emberline.engine.errors import InvalidInput
from emberline.engine.records import EncodeRequest, EncodeResult, Input, Item, User
from emberline.proto import emberline_pb2 as pb

from . import entities, provenance, tensors, values


def request_to_message(request: EncodeRequest, priority: int) -> pb.EncodeRequest:
    """Convert a request to a message.

    Raises:
        InvalidInput: a value has the wrong type.
    """
    return pb.EncodeRequest(
        inputs=[_input_to_message(entry, f"inputs[{index}]") for index, entry in enumerate(request.inputs)],
        outputs=values.texts(request.outputs, "outputs"),
        priority=values.integer(priority, "priority"),
        dimensions=values.integer(request.dimensions, "dimensions"),
        normalize=values.flag(request.normalize, "normalize"),
    )


def request_from_message(message: pb.EncodeRequest) -> EncodeRequest:
    """Convert a message to a request.

    Raises:
        InvalidInput: an input has nothing set, or a vector cannot be read.
    """
    inputs = tuple(_input_from_message(entry, f"inputs[{index}]") for index, entry in enumerate(message.inputs))
    outputs = tuple(message.outputs) or ("sentence_embedding",)
    return EncodeRequest(inputs, outputs, message.dimensions, message.normalize)


def result_to_message(result: EncodeResult) -> pb.EncodeResponse:
    """Convert a result to a message."""
    return pb.EncodeResponse(
        outputs=tensors.outputs_to_messages(result.outputs),
        tokens=result.tokens.tolist(),
        truncated=result.truncated.tolist(),
        provenance=provenance.to_message(result.provenance, result.timings),
    )


def result_from_message(message: pb.EncodeResponse) -> EncodeResult:
    """Convert a message to a result. Its arrays are read-only views of the message's bytes."""
    return EncodeResult(
        outputs=tensors.outputs_from_messages(message.outputs),
        tokens=np.array(message.tokens, np.int64),
        truncated=np.array(message.truncated, np.bool_),
        timings=provenance.timings_from_message(message.provenance),
        provenance=provenance.provenance_from_message(message.provenance),
    )


def _input_to_message(entry: Input, field: str) -> pb.Input:
    match entry:
        case str():
            return pb.Input(text=values.text(entry, f"{field}.text"))
        case Item():
            return pb.Input(item=entities.item_to_message(entry, f"{field}.item"))
        case User():
            return pb.Input(user=entities.user_to_message(entry, f"{field}.user"))
    raise InvalidInput(field, f"is {type(entry).__name__}; it must be a text, an Item or a User")


def _input_from_message(message: pb.Input, field: str) -> Input:
    match message.WhichOneof("input"):
        case "text":
            return message.text
        case "item":
            return entities.item_from_message(message.item)
        case "user":
            return entities.user_from_message(message.user, f"{field}.user")
        case _:
            raise InvalidInput(field, "has nothing set; set one of text, item and user")
