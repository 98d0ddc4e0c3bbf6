"""Predict: the attributes that a text describes, such as the genres of a film."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from emberline.engine.engine import Engine
from emberline.engine.errors import InvalidInput
from emberline.engine.records import EncodeRequest, EncodeResult, Floats, RequestOptions
from emberline.engine.server.rpc import AnsweredCall, unsupported
from emberline.proto import tei_pb2 as pb

from .common import check_cut, metadata

_OUTPUT = "item_attributes"


def request_from_message(message: pb.PredictRequest) -> tuple[EncodeRequest, bool]:
    """Convert a message to a request, and to whether it asks for log odds.

    Raises:
        InvalidInput: it asks for a text that is cut at its beginning.
    """
    check_cut(message)
    return EncodeRequest((message.inputs,), (_OUTPUT,), truncate=message.truncate), message.raw_scores


def result_to_message(
    request: EncodeRequest, result: EncodeResult, labels: Sequence[str], *, raw: bool
) -> pb.PredictResponse:
    """Convert a result to a message: the labels with their scores, the highest first."""
    (probabilities,) = result.outputs[_OUTPUT]
    scores = log_odds(probabilities) if raw else probabilities
    order = np.argsort(-scores, kind="stable")
    (text,) = request.inputs
    return pb.PredictResponse(
        predictions=[pb.Prediction(score=scores[index], label=labels[index]) for index in order],
        metadata=metadata((str(text),), result.timings, int(result.tokens[0])),
    )


def log_odds(probabilities: Floats) -> Floats:
    """Undo the sigmoid. Probabilities of 0 and 1, to which fp32 rounds, become the largest finite log odds."""
    limit = np.finfo(np.float32).eps / 2
    inside = np.clip(probabilities.astype(np.float64), limit, 1 - limit)
    return (np.log(inside) - np.log1p(-inside)).astype(np.float32)


async def _predict(engine: Engine, request: tuple[EncodeRequest, bool], options: RequestOptions) -> pb.PredictResponse:
    encode, raw = request
    labels = engine.info().item_labels
    if not labels:
        raise InvalidInput("outputs", "the model was trained without labels of items, so it predicts none")
    return result_to_message(encode, await engine.encode(encode, options), labels, raw=raw)


NO_PAIRS: Final = "the models predict the attributes of one text; call Rerank for how well a text goes with another one"
PREDICT = AnsweredCall(pb.PredictRequest, request_from_message, _predict, shared=True)
PREDICT_PAIR = unsupported(
    pb.PredictPairRequest,
    NO_PAIRS,
)
