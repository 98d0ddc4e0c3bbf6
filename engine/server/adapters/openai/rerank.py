"""Reranking as servers beside OpenAI's have it: texts of items, ranked for a user whose profile is the query."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from emberline.engine.engine import Engine
from emberline.engine.records import ItemReference, RequestOptions, ScoreRequest, User
from emberline.engine.server.http.call import Reply

from .messages import Text


class RerankRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /v1/rerank``.

    Attributes:
        model: name of a model.
        query: profile of the user.
        documents: texts of items.
        top_n: number of items to return, the best ones; None: all.
        return_documents: whether the answer has the texts.
        truncate: whether a text that is longer than what the model reads is cut.
    """

    model: Text
    query: Text
    documents: Annotated[list[Text], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    truncate: bool = False


class RankedDocument(Struct, frozen=True):
    """A text of the request."""

    text: str


class Ranked(Struct, frozen=True, omit_defaults=True):
    """An item of the answer, with the probability that the user likes it."""

    index: int
    relevance_score: float
    document: RankedDocument | None = None


class Ranking(Struct, frozen=True):
    """The answer of ``POST /v1/rerank``, the best item first."""

    model: str
    results: list[Ranked]


async def rerank(engine: Engine, message: RerankRequest, options: RequestOptions) -> Reply:
    """Answer a request."""
    candidates = tuple(ItemReference(text=text) for text in message.documents)
    request = ScoreRequest(User(message.query), candidates, ("probability",), message.truncate)
    scores = (await engine.score(request, options)).outputs["probability"]
    results = [
        Ranked(
            index, float(scores[index]), RankedDocument(message.documents[index]) if message.return_documents else None
        )
        for index in np.argsort(-scores, kind="stable")[: message.top_n].tolist()
    ]
    return Reply(msgspec.json.encode(Ranking(engine.provenance.model_id, results)))
