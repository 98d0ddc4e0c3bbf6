"""Access: which calls are made at all, by their token and by what the server offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health

from emberline.engine.errors import EmberlineError, PermissionDenied, Unauthenticated

from .status import Status, abort, status_of
from .tokens import Scope, Tokens, bearer

if TYPE_CHECKING:
    _Handler = grpc.RpcMethodHandler[Any, Any]  # generic in the stubs alone


class Access:
    """Says who may call what.

    Attributes:
        tokens: the tokens that are known; None: everybody may call.
    """

    def __init__(self, tokens: Tokens | None, *, read_only: bool) -> None:
        """Set who may call.

        Args:
            tokens: the tokens that are known; None: everybody may call.
            read_only: whether changes of the catalogue are rejected.
        """
        self.tokens = tokens
        self._read_only = read_only

    @property
    def limited(self) -> bool:
        """Whether there is a call that may not be made."""
        return self.tokens is not None or self._read_only

    def check(self, scope: Scope, token: str) -> None:
        """Check a call before it is read.

        Args:
            scope: what the call needs.
            token: the token that it shows; empty: none.

        Raises:
            Unauthenticated: the token is not known.
            PermissionDenied: the token lacks the scope, or the server does not offer the call.
        """
        if self.tokens is not None:
            scopes = self.tokens.scopes(token)
            if scopes is None:
                raise Unauthenticated
            if scope not in scopes:
                raise PermissionDenied(f"the token has no scope {scope}; use one that has")
        if self._read_only and scope == "write":
            raise PermissionDenied("the catalogue of this server is read-only; ask one that is not")


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Rejects gRPC calls before they are read. Health is open to all.

    Args:
        access: who may call what.
        scopes: the scopes of all methods that need another one than ``read``, as ``/service/method``.
    """

    def __init__(self, access: Access, scopes: Mapping[str, Scope]) -> None:
        self._access = access
        self._scopes = scopes

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """Return the handler of a call, or one that rejects it."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(f"/{health.SERVICE_NAME}/"):
            return handler
        try:
            token = bearer(handler_call_details.invocation_metadata or ())
            self._access.check(self._scopes.get(method, "read"), token)
        except EmberlineError as error:
            return _rejecting(handler, status_of(error))
        return handler


def _rejecting(handler: _Handler, status: Status) -> _Handler:
    """Return a handler of the same shape that ends each call with a status."""

    async def reject(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await abort(context, status)

    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    made: _Handler = make(reject)
    return made
