"""TEI's HTTP: the same calls as `tei.v1`, with several texts in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from emberline.engine.engine import Engine
from emberline.engine.errors import InferenceFailed, InvalidInput, Overloaded, ShuttingDown, Unsupported
from emberline.engine.records import Floats, RequestOptions
from emberline.engine.server.dispatcher import Dispatcher
from emberline.engine.server.http.body import decode
from emberline.engine.server.http.call import HttpCall, Operation, Reply
from emberline.engine.server.http.schemas import reference
from emberline.engine.server.http.status import http_status, retry_headers
from emberline.engine.server.status import status_of
from emberline.proto import tei_pb2 as pb

from . import common, embed, info, predict
from .rerank import RERANK
from .rerank import request_from_message as reranking
from .tokenize import ids_from_message

_Text = Annotated[str, Meta(min_length=1)]
_Texts = _Text | Annotated[list[_Text], Meta(min_length=1)]
_Several = Annotated[list[_Text], Meta(min_length=1, max_length=2)]
_Direction = Literal["Left", "left", "Right", "right"]
_DIRECTIONS: Final = {"left": pb.TRUNCATION_DIRECTION_LEFT, "right": pb.TRUNCATION_DIRECTION_RIGHT}
_INT32: Final = 2**31 - 1


class _Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a request."""


class EmbedBody(_Body, frozen=True):
    """The body of ``POST /embed``."""

    inputs: _Texts
    truncate: bool | None = None
    truncation_direction: _Direction = "Right"
    prompt_name: str | None = None
    normalize: bool = True
    dimensions: Annotated[int, Meta(ge=1, le=_INT32)] | None = None


class RerankBody(_Body, frozen=True):
    """The body of ``POST /rerank``."""

    query: _Text
    texts: Annotated[list[_Text], Meta(min_length=1)]
    truncate: bool | None = None
    truncation_direction: _Direction = "Right"
    raw_scores: bool = False
    return_text: bool = False


class PredictBody(_Body, frozen=True):
    """The body of ``POST /predict``; a list of one text is a text, and one of two is a pair, which is refused."""

    inputs: _Text | Annotated[list[_Text | _Several], Meta(min_length=1)]
    truncate: bool | None = None
    truncation_direction: _Direction = "Right"
    raw_scores: bool = False


class TokenizeBody(_Body, frozen=True):
    """The body of ``POST /tokenize``."""

    inputs: _Texts
    add_special_tokens: bool = True
    prompt_name: str | None = None


class DecodeBody(_Body, frozen=True):
    """The body of ``POST /decode``."""

    ids: Annotated[list[Annotated[int, Meta(ge=0, le=_INT32)]], Meta(min_length=1)]
    skip_special_tokens: bool = True


class ErrorResponse(Struct, frozen=True):
    """The answer to a call that fails."""

    error: str
    error_type: str


_BODIES: Final[Mapping[str, type[Struct]]] = {
    "embed": EmbedBody,
    "rerank": RerankBody,
    "predict": PredictBody,
    "tokenize": TokenizeBody,
    "decode": DecodeBody,
}
#: Calls that TEI has for other kinds of models, and why they are refused.
_UNSUPPORTED: Final = {
    "embed_sparse": "the models have no sparse vectors; call /embed for the dense vector of a text",
    "embed_all": "the models give one vector a text and none a token; call /embed for the text's vector",
    "similarity": "the models do not compare texts; call /embed for their vectors, or /rerank",
}
_SCHEMAS: Final[Mapping[str, Any]] = msgspec.json.schema_components(
    [*_BODIES.values(), ErrorResponse], ref_template="#/components/schemas/Tei{name}"
)[1]


def http_calls(dispatcher: Dispatcher) -> Sequence[HttpCall]:
    """Return TEI's calls over HTTP."""

    async def describe(engine: Engine, user_agent: str, _: RequestOptions) -> Reply:
        kind = info.model_type(user_agent)
        message = info.to_message(engine.info(), engine.config, dispatcher.slots.limit, kind)
        names = [field.name for field in message.DESCRIPTOR.fields if field.name != "model_type"]
        shown = {name: getattr(message, name) for name in names}
        return _json(shown | {"model_type": info.shown_type(kind, engine.info().item_labels), "auto_truncate": False})

    answers = {"embed": _embed, "rerank": _rerank, "predict": _predict, "tokenize": _tokenize, "decode": _decode}
    return (
        *(_call(name, _BODIES[name], answer) for name, answer in answers.items()),
        _call("embed", EmbedBody, _embed, "/"),  # TEI's own default, which huggingface_hub calls
        *(_call(name, None, _refusing(reason)) for name, reason in _UNSUPPORTED.items()),
        HttpCall(
            "GET",
            "/info",
            "tei.http.info",
            lambda _, parameters: parameters.get("user-agent", ""),
            describe,
            refuse,
            _operation("info", None, None),
            headers=("user-agent",),
            free=True,
        ),
    )


async def _embed(engine: Engine, body: EmbedBody, options: RequestOptions) -> Reply:
    texts = _listed(body.inputs)
    message = pb.EmbedRequest(inputs=texts[0], normalize=body.normalize, **_cut(body))
    _set(message, prompt_name=body.prompt_name, dimensions=body.dimensions)
    request = replace(embed.request_from_message(message), inputs=tuple(texts))
    result = await engine.encode(request, options)
    return _json(result.outputs["sentence_embedding"].tolist())


async def _rerank(engine: Engine, body: RerankBody, options: RequestOptions) -> Reply:
    message = pb.RerankRequest(
        query=body.query,
        texts=body.texts,
        raw_scores=body.raw_scores,
        return_text=body.return_text,
        **_cut(body),
    )
    answer: Any = await RERANK.answer(engine, reranking(message), options)
    return _json(
        [
            {"index": rank.index, "score": rank.score} | ({"text": rank.text} if body.return_text else {})
            for rank in answer.ranks
        ]
    )


async def _predict(engine: Engine, body: PredictBody, options: RequestOptions) -> Reply:
    entries = [body.inputs] if isinstance(body.inputs, str) else body.inputs
    if any(isinstance(entry, list) and len(entry) > 1 for entry in entries):
        raise Unsupported(predict.NO_PAIRS)
    texts = [entry if isinstance(entry, str) else entry[0] for entry in entries]
    request, raw = predict.request_from_message(
        pb.PredictRequest(inputs=texts[0], raw_scores=body.raw_scores, **_cut(body))
    )
    labels = engine.info().item_labels
    if not labels:
        raise Unsupported("the model was trained without labels of items, so it predicts none")
    result = await engine.encode(replace(request, inputs=tuple(texts)), options)
    (rows,) = result.outputs.values()
    found = [_labelled(labels, predict.log_odds(row) if raw else row) for row in rows]
    return _json(found[0] if isinstance(body.inputs, str) else found)


async def _tokenize(engine: Engine, body: TokenizeBody, options: RequestOptions) -> Reply:
    message = pb.EncodeRequest()
    _set(message, prompt_name=body.prompt_name)
    common.check_prompt(message)
    texts = _listed(body.inputs)
    if len(texts) > engine.info().max_inputs:
        raise InvalidInput("inputs", f"has {len(texts)} entries, at most {engine.info().max_inputs} are served at once")
    found = [await engine.tokenize(text, options, specials=body.add_special_tokens) for text in texts]
    return _json(
        [
            [
                {"id": token.id, "text": token.text, "special": token.special}
                | ({"start": None, "stop": None} if token.special else {"start": token.start, "stop": token.stop})
                for token in tokens
            ]
            for tokens in found
        ]
    )


async def _decode(engine: Engine, body: DecodeBody, options: RequestOptions) -> Reply:
    ids, skip = ids_from_message(pb.DecodeRequest(ids=body.ids, skip_special_tokens=body.skip_special_tokens))
    return _json([await engine.decode(ids, options, skip_specials=skip)])


def refuse(error: Exception) -> Reply:
    """Answer a call that failed with TEI's error object and TEI's status codes."""
    status = common.status_of(error, status_of(error))
    code, kind = _kind(error)
    return Reply(
        msgspec.json.encode(ErrorResponse(status.message, kind)),
        code or http_status(error),
        headers=retry_headers(error),
    )


def _kind(error: Exception) -> tuple[HTTPStatus | None, str]:
    """Return TEI's status, None for that of the error itself, and its name for the kind of error."""
    if isinstance(error, InferenceFailed | Unsupported):
        return HTTPStatus.FAILED_DEPENDENCY, "Backend"
    if isinstance(error, Overloaded):
        return None, "Overloaded"
    if isinstance(error, ShuttingDown):
        return None, "Unhealthy"
    if isinstance(error, InvalidInput) and http_status(error) is HTTPStatus.BAD_REQUEST:
        if error.reason.startswith("is empty"):
            return None, "Empty"
        return (
            HTTPStatus.UNPROCESSABLE_ENTITY if error.field == "body" else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        ), "Validation"
    return None, "Backend" if http_status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR else "Validation"


def _call(name: str, body: type[Struct] | None, answer: Any, path: str | None = None) -> HttpCall:
    return HttpCall(
        "POST",
        path or f"/{name}",
        f"tei.http.{name}",
        (lambda _, __: None) if body is None else (lambda raw, _: decode(body, raw)),
        answer,
        refuse,
        _operation(name, body, {}),
        shared=True,
    )


def _operation(name: str, body: type[Struct] | None, request: dict[str, Any] | None) -> Operation:
    return Operation(
        summary=f"TEI's {name}",
        tag="TEI",
        request=request if body is None else reference(f"Tei{body.__name__}"),
        response={},
        error=reference("TeiErrorResponse"),
        schemas={f"Tei{name}": schema for name, schema in _SCHEMAS.items()},
    )


def _refusing(reason: str) -> Any:
    async def answer(_: Engine, __: None, ___: RequestOptions) -> Reply:
        raise Unsupported(reason)

    return answer


def _listed(inputs: str | list[str]) -> list[str]:
    return [inputs] if isinstance(inputs, str) else inputs


def _cut(body: EmbedBody | RerankBody | PredictBody) -> dict[str, Any]:
    direction = _DIRECTIONS[body.truncation_direction.lower()]
    return {"truncate": bool(body.truncate), "truncation_direction": direction}


def _set(message: Any, **fields: object) -> None:
    """Set the fields that have a value."""
    for name, value in fields.items():
        if value is not None:
            setattr(message, name, value)


def _labelled(labels: Sequence[str], scores: Floats) -> list[dict[str, Any]]:
    order = np.argsort(-scores, kind="stable")
    return [{"score": float(scores[index]), "label": labels[index]} for index in order]


def _json(shown: object) -> Reply:
    return Reply(msgspec.json.encode(shown))
