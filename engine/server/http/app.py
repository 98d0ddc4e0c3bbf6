"""The application: which path is answered by what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emberline import __version__
from emberline.engine.engine import Engine
from emberline.engine.records import RequestOptions
from emberline.engine.server.tokens import Scope

from .call import JSON, HttpCall, Operation, Reply
from .contract import error_schema, refuse
from .endpoint import Endpoint, HttpSettings
from .openapi import document, page

_HEALTH: Final[dict[str, Any]] = {"type": "object", "properties": {"status": {"enum": ["SERVING", "NOT_SERVING"]}}}


def application(
    calls: Sequence[HttpCall], settings: HttpSettings, *, origins: Sequence[str], described: bool, tokens: bool
) -> Starlette:
    """Return the ASGI application of a server.

    Args:
        calls: the protocols' calls.
        settings: what all calls share.
        origins: origins of pages that browsers may call from.
        described: whether the calls are described at ``/openapi.json`` and ``/docs``.
        tokens: whether calls need a token.
    """
    pages = [_health(settings), _metrics(settings.dispatcher.models)]
    if described:
        openapi = document([*calls, *pages], __version__, tokens=tokens)
        pages += [
            _page("/openapi.json", "http.OpenApi", Reply(json.dumps(openapi).encode())),
            _page("/docs", "http.Docs", Reply(page(openapi).encode(), media="text/html; charset=utf-8")),
        ]
    cors = Middleware(CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"])
    return Starlette(
        routes=[Route(call.path, Endpoint(call, settings), methods=[call.verb]) for call in [*calls, *pages]],
        middleware=[cors] if origins else [],
        exception_handlers={HTTPException: _not_routed},
    )


def _health(settings: HttpSettings) -> HttpCall:
    async def answer(_: Engine, __: object, ___: RequestOptions) -> Reply:
        serving = settings.serving()
        body = json.dumps({"status": "SERVING" if serving else "NOT_SERVING"}).encode()
        return Reply(body, HTTPStatus.OK if serving else HTTPStatus.SERVICE_UNAVAILABLE)

    return _get("/health", "http.Health", "Whether the server accepts calls", answer, _HEALTH, open_to_all=True)


def _metrics(models: Collector) -> HttpCall:
    async def answer(_: Engine, __: object, ___: RequestOptions) -> Reply:
        encode, kind = choose_encoder("")
        return Reply(encode(models), media=kind)

    return _get(
        "/metrics", "http.Metrics", "The metrics, for Prometheus", answer, {"type": "string"}, media="text/plain"
    )


def _page(path: str, name: str, reply: Reply) -> HttpCall:
    async def answer(_: Engine, __: object, ___: RequestOptions) -> Reply:
        return reply

    return _get(path, name, "This description", answer, {})


def _get(
    path: str,
    name: str,
    summary: str,
    answer: Any,
    response: dict[str, Any],
    *,
    open_to_all: bool = False,
    media: str = JSON,
) -> HttpCall:
    found: dict[str, Any] = {}
    operation = Operation(summary, "Server", None, response, error_schema(found), found, media=(media,))
    scope: Scope | None = None if open_to_all else "read"
    return HttpCall("GET", path, name, lambda _, __: None, answer, refuse, operation, free=True, scope=scope)


async def _not_routed(request: Request, error: Exception) -> Response:
    """Answer a path or a method that does not exist."""
    assert isinstance(error, HTTPException)
    reason = "no such path" if error.status_code == HTTPStatus.NOT_FOUND else f"{request.method} is not answered here"
    code = "NOT_FOUND" if error.status_code == HTTPStatus.NOT_FOUND else "UNIMPLEMENTED"
    shown = {"error": {"code": code, "message": f"{request.url.path}: {reason}; /docs lists the calls"}}
    return Response(json.dumps(shown), error.status_code, error.headers, "application/json")
