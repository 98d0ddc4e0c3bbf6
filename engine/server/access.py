"""Access: which calls are made at all, by their token and by what the server offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1 import health

from emberline.engine.errors import EmberlineError, PermissionDenied, Unauthenticated

from .status import Status, status_of
from .tokens import Scope, Tokens, bearer

#: The scope of each method that needs another one than ``read``.
SCOPES: Final[dict[str, Scope]] = {
    "UpsertItems": "write",
    "DeleteItems": "write",
    "BackupCatalogue": "admin",
    "LoadModel": "admin",
    "UnloadModel": "admin",
    "RouteModel": "admin",
}

if TYPE_CHECKING:
    _Handler = grpc.RpcMethodHandler[Any, Any]  # generic in the stubs alone


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Rejects calls before they are read. Health is open to all.

    Args:
        tokens: the tokens that are known; None: everybody may call.
        read_only: whether changes of the catalogue are rejected.
    """

    def __init__(self, tokens: Tokens | None, *, read_only: bool) -> None:
        self._tokens = tokens
        self._read_only = read_only

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """Return the handler of a call, or one that rejects it."""
        handler = await continuation(handler_call_details)
        service, _, method = handler_call_details.method.lstrip("/").partition("/")
        if handler is None or service == health.SERVICE_NAME:
            return handler
        error = self._error(SCOPES.get(method, "read"), handler_call_details)
        return handler if error is None else _rejecting(handler, status_of(error))

    def _error(self, scope: Scope, details: grpc.HandlerCallDetails) -> EmberlineError | None:
        if self._tokens is not None:
            scopes = self._tokens.scopes(bearer(details.invocation_metadata or ()))
            if scopes is None:
                return Unauthenticated()
            if scope not in scopes:
                return PermissionDenied(f"the token has no scope {scope}; use one that has")
        if self._read_only and scope == "write":
            return PermissionDenied("the catalogue of this server is read-only; ask one that is not")
        return None


def _rejecting(handler: _Handler, status: Status) -> _Handler:
    """Return a handler of the same shape that ends each call with a status."""

    async def reject(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(status.code, status.message, status.metadata)

    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    made: _Handler = make(reject)
    return made
