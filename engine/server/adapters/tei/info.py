"""Info: the model and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from emberline.engine.config import EngineConfig
from emberline.engine.records import Info
from emberline.proto import tei_pb2 as pb

from .common import MAX_UINT32

_DTYPES: Final = {"fp32": "float32", "fp16": "float16"}
_TYPES: Final = {"reranker": pb.MODEL_TYPE_RERANKER, "classifier": pb.MODEL_TYPE_CLASSIFIER}


def model_type(user_agent: str) -> pb.ModelType:
    """Return the type of model that a client is told.

    A model of TEI embeds, classifies or reranks; ours do all three, and answer all calls. Some clients call only what
    the type allows, and can say nothing about themselves but the name of a program: a client whose user agent has the
    word ``reranker`` or ``classifier`` is told that type, and all others ``embedding``.
    """
    return next((kind for word, kind in _TYPES.items() if word in user_agent.lower()), pb.MODEL_TYPE_EMBEDDING)


def shown_type(kind: pb.ModelType, labels: Sequence[str]) -> dict[str, Any]:
    """Return a type of model as JSON has it; a classifier has labels, and a reranker the one that its score is for."""
    if kind == pb.MODEL_TYPE_EMBEDDING:
        return {"embedding": {"pooling": "mean"}}
    name, labels = ("classifier", labels) if kind == pb.MODEL_TYPE_CLASSIFIER else ("reranker", ("like",))
    numbers = {label: number for number, label in enumerate(labels)}
    return {name: {"id2label": {str(number): label for label, number in numbers.items()}, "label2id": numbers}}


def to_message(info: Info, config: EngineConfig, calls: int, kind: pb.ModelType) -> pb.InfoResponse:
    """Convert what an engine says of itself to a message.

    Args:
        info: the model and the limits.
        config: the engine's settings.
        calls: maximum number of calls in flight.
        kind: type of the model.
    """
    return pb.InfoResponse(
        version=info.version,
        model_id=info.model_id,
        model_sha=info.fingerprint,
        model_dtype=_DTYPES.get(info.precision, info.precision.partition("-")[0]),
        model_type=kind,
        max_concurrent_requests=min(calls, MAX_UINT32),
        max_input_length=info.max_length,
        max_batch_tokens=min(config.max_waiting_tokens, MAX_UINT32),
        max_batch_requests=min(config.max_batch, MAX_UINT32),
        max_client_batch_size=min(info.max_inputs, MAX_UINT32),
        tokenization_workers=config.cores,
    )
