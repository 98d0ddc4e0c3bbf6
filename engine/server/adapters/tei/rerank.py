"""Rerank: texts of items, ranked for a user whose profile is the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emberline.engine.engine import Engine
from emberline.engine.errors import InvalidInput
from emberline.engine.records import Floats, ItemReference, RequestOptions, ScoreRequest, Timings, User
from emberline.engine.server.collected import CollectedCall
from emberline.engine.server.rpc import AnsweredCall
from emberline.proto import tei_pb2 as pb

from .common import check_cut, metadata


@dataclass(frozen=True, slots=True)
class Reranking:
    """Texts to rank.

    Attributes:
        queries: the profile for which each text is scored.
        texts: the texts.
        output: what ranks them: ``score`` or ``probability``.
        truncate: whether texts that are too long are cut.
        return_text: whether the answer has the texts.
    """

    queries: tuple[str, ...]
    texts: tuple[str, ...]
    output: str
    truncate: bool
    return_text: bool

    def requests(self) -> Mapping[str, tuple[list[int], ScoreRequest]]:
        """Return a request a query, with the indices of its texts."""
        indices: dict[str, list[int]] = {}
        for index, query in enumerate(self.queries):
            indices.setdefault(query, []).append(index)
        return {
            query: (
                part,
                ScoreRequest(
                    User(query),
                    tuple(ItemReference(text=self.texts[index]) for index in part),
                    (self.output,),
                    self.truncate,
                ),
            )
            for query, part in indices.items()
        }


def request_from_message(message: pb.RerankRequest) -> Reranking:
    """Convert a message.

    Raises:
        InvalidInput: it has no texts, or asks for texts that are cut at their beginning.
    """
    check_cut(message)
    if not message.texts:
        raise InvalidInput("texts", "is empty; give at least 1")
    texts = tuple(message.texts)
    queries = (message.query,) * len(texts)
    return Reranking(queries, texts, _output(message.raw_scores), message.truncate, message.return_text)


def request_from_messages(messages: Sequence[pb.RerankStreamRequest]) -> Reranking:
    """Convert the messages of a stream, one a text. The first says what the scores are and whether texts come back.

    Raises:
        InvalidInput: there are none, or one asks for a text that is cut at its beginning.
    """
    if not messages:
        raise InvalidInput("texts", "is empty; send at least 1")
    for message in messages:
        check_cut(message)
    return Reranking(
        tuple(message.query for message in messages),
        tuple(message.text for message in messages),
        _output(messages[0].raw_scores),
        all(message.truncate for message in messages),
        messages[0].return_text,
    )


def result_to_message(request: Reranking, scores: Floats, timings: Timings) -> pb.RerankResponse:
    """Convert the score of each text to a message, the highest first."""
    order = np.argsort(-scores, kind="stable")
    return pb.RerankResponse(
        ranks=[
            pb.Rank(index=index, score=scores[index], text=request.texts[index] if request.return_text else None)
            for index in order
        ],
        metadata=metadata((*request.queries, *request.texts), timings),
    )


async def _rerank(engine: Engine, request: Reranking, options: RequestOptions) -> pb.RerankResponse:
    scores, total = np.empty(len(request.texts), np.float32), Timings()
    with engine.held(options):
        for indices, part in request.requests().values():
            result = await engine.score(part, options)
            scores[indices] = result.outputs[request.output]
            total += result.timings
    return result_to_message(request, scores, total)


def _output(raw: bool) -> str:
    return "score" if raw else "probability"


RERANK = AnsweredCall(pb.RerankRequest, request_from_message, _rerank, shared=True)
RERANK_STREAM = CollectedCall(
    AnsweredCall(pb.RerankStreamRequest, request_from_messages, _rerank, shared=True), "texts"
)
