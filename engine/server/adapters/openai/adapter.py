"""OpenAI's calls, and how they are answered."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from emberline.engine.engine import Engine
from emberline.engine.errors import InvalidInput, UnknownModel
from emberline.engine.records import RequestOptions
from emberline.engine.server.dispatcher import Dispatcher
from emberline.engine.server.http.body import decode
from emberline.engine.server.http.call import HttpCall, Operation, Reply
from emberline.engine.server.http.schemas import reference
from emberline.engine.server.http.status import BodyRefused, http_status, retry_headers
from emberline.engine.server.models import ANY
from emberline.engine.server.protocol import ServedProtocol
from emberline.engine.server.status import describe

from .messages import (
    Embeddings,
    EmbeddingsRequest,
    ErrorBody,
    Model,
    ModelList,
    Refusal,
    from_result,
    to_request,
)
from .rerank import Ranking, RerankRequest, rerank

#: What OpenAI calls the kinds of errors, by HTTP's status.
_KINDS: Final = {
    HTTPStatus.UNAUTHORIZED: ("authentication_error", "invalid_api_key"),
    HTTPStatus.FORBIDDEN: ("permission_error", None),
    HTTPStatus.TOO_MANY_REQUESTS: ("rate_limit_error", "rate_limit_exceeded"),
    HTTPStatus.SERVICE_UNAVAILABLE: ("service_unavailable_error", None),
    HTTPStatus.GATEWAY_TIMEOUT: ("timeout_error", None),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("server_error", None),
}
#: The engine's names of what a request has, and those of this protocol.
_NAMES: Final = (
    (re.compile(r"^inputs(\[\d+\])?(\.text|\.tokens)?$"), r"input\1"),
    (re.compile(r"^candidates(\[\d+\])?(\.text)?$"), r"documents\1"),
    (re.compile(r"^user\.profile$"), "query"),
)
_SCHEMAS: Final[Mapping[str, Any]] = msgspec.json.schema_components(
    [Embeddings, EmbeddingsRequest, Model, ModelList, Ranking, Refusal, RerankRequest],
    ref_template="#/components/schemas/OpenAi{name}",
)[1]


class OpenAi(ServedProtocol):
    """The calls under ``/v1/`` that clients make of OpenAI and of servers that offer its protocol."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._models = dispatcher.models

    def http_calls(self) -> Sequence[HttpCall]:
        """Return the calls."""
        return (
            HttpCall(
                "POST",
                "/v1/embeddings",
                "openai.Embeddings",
                lambda body, _: decode(EmbeddingsRequest, body),
                _embed,
                refuse,
                _operation("Returns the vectors of texts", "EmbeddingsRequest", "Embeddings"),
                model=_named,
                shared=True,
            ),
            HttpCall(
                "POST",
                "/v1/rerank",
                "openai.Rerank",
                lambda body, _: decode(RerankRequest, body),
                rerank,
                refuse,
                _operation("Ranks texts of items for a profile", "RerankRequest", "Ranking"),
                model=_named,
                shared=True,
            ),
            HttpCall(
                "GET",
                "/v1/models",
                "openai.Models",
                lambda _, __: None,
                self._list,
                refuse,
                _operation("Lists the models that may be named", None, "ModelList"),
                free=True,
            ),
            HttpCall(
                "GET",
                "/v1/models/{model}",
                "openai.Model",
                lambda _, path: path["model"],
                self._get,
                refuse,
                _operation("Describes a model", None, "Model", {"model": "name of the model"}),
                free=True,
            ),
        )

    async def _list(self, _: Engine, __: None, ___: RequestOptions) -> Reply:
        return Reply(msgspec.json.encode(ModelList("list", self._known())))

    async def _get(self, _: Engine, name: str, __: RequestOptions) -> Reply:
        for model in self._known():
            if model.id == name:
                return Reply(msgspec.json.encode(model))
        raise UnknownModel(name)

    def _known(self) -> list[Model]:
        loaded = self._models.list()
        names = dict.fromkeys((ANY, loaded[0].model_id, *(model.name for model in loaded[1:])))
        started = int(time.time() - self._models.default.info().uptime)
        return [Model(name, "model", started, "emberline") for name in names]


def _named(message: EmbeddingsRequest | RerankRequest) -> str:
    return "" if message.model == ANY else message.model


async def _embed(engine: Engine, message: EmbeddingsRequest, options: RequestOptions) -> Reply:
    result = await engine.encode(to_request(message), options)
    return Reply(from_result(result, engine.provenance.model_id, message.encoding_format))


def refuse(error: Exception) -> Reply:
    """Answer a call that failed with OpenAI's error object."""
    status = http_status(error)
    kind, code = _KINDS.get(status, ("invalid_request_error", None))
    param, message = None, describe(error)
    if isinstance(error, UnknownModel):
        param, code = "model", "model_not_found"
    elif isinstance(error, InvalidInput) and not isinstance(error, BodyRefused) and error.field != "body":
        place = error.field
        for pattern, name in _NAMES:
            place = pattern.sub(name, place)
        param, message = place.partition("[")[0], f"{place}: {error.reason}"
    refusal = Refusal(ErrorBody(message, kind, param, code))
    return Reply(msgspec.json.encode(refusal), status, headers=retry_headers(error))


def _operation(
    summary: str, request: str | None, response: str, parameters: Mapping[str, str] | None = None
) -> Operation:
    return Operation(
        summary=summary,
        tag="OpenAI",
        request=None if request is None else reference(f"OpenAi{request}"),
        response=reference(f"OpenAi{response}"),
        error=reference("OpenAiRefusal"),
        schemas={f"OpenAi{name}": schema for name, schema in _SCHEMAS.items()},
        parameters=parameters or {},
    )
