"""Receiving: a call that has one request must send it. By itself, gRPC waits for it as long as the connection lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError

from emberline.engine.errors import InvalidInput, Overloaded

from .calls import RETRY_SECONDS
from .status import abort, status_of
from .stream import StreamIdle

if TYPE_CHECKING:
    _Handler = grpc.RpcMethodHandler[Any, Any]  # generic in the stubs alone

Context = grpc.aio.ServicerContext[Any, Any]

#: Seconds that a call has to send its request: the largest one, over a slow connection.
_SECONDS: Final = 120.0


class RequestReceiver:
    """Reads the requests of calls. Of too many that wait for theirs, the oldest ends. Belongs to the event loop."""

    def __init__(self, limit: int, seconds: float = _SECONDS) -> None:
        """Start without calls.

        Args:
            limit: maximum number of calls whose request has not come. One more ends the one that waits longest, so
                that calls which send nothing shut nobody out.
            seconds: time that a call has to send its request.
        """
        self._limit = limit
        self._seconds = seconds
        self._waiting: dict[asyncio.Timeout, None] = {}  # the oldest first

    def handler(self, handler: _Handler) -> _Handler:
        """Return a handler that reads the request itself; one of a stream of requests stays as it is."""
        if handler.request_streaming:
            return handler
        if not handler.response_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._receiving(handler.unary_unary, handler.request_deserializer),
                response_serializer=handler.response_serializer,
            )
        return grpc.stream_stream_rpc_method_handler(
            self._receiving(handler.unary_stream, handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )

    def _receiving(self, answer: Any, deserialize: Callable[[bytes], Any] | None) -> Callable[..., Awaitable[Any]]:
        async def receive(_: object, context: Context) -> Any:
            raw = await self._receive(context)
            try:
                request = raw if deserialize is None else deserialize(raw)
            except DecodeError:
                await abort(
                    context, status_of(InvalidInput("request", "cannot be parsed; send a message of this method"))
                )
            return await answer(request, context)

        return receive

    async def _receive(self, context: Context) -> bytes:
        """Return a call's request; a call that does not send one is aborted."""
        evicted = False
        try:
            async with asyncio.timeout(self._seconds) as waiting:
                if len(self._waiting) >= self._limit:
                    self._end(next(iter(self._waiting)))
                self._waiting[waiting] = None
                try:
                    raw: Any = await context.read()  # the stubs leave out that it may be the end
                finally:
                    evicted = waiting not in self._waiting
                    self._waiting.pop(waiting, None)
        except TimeoutError:
            error = (
                Overloaded(self._limit, self._limit, RETRY_SECONDS, "calls have sent no request")
                if evicted
                else StreamIdle(self._seconds)
            )
            await abort(context, status_of(error))
        if raw is grpc.aio.EOF:
            await abort(context, status_of(InvalidInput("request", "is missing; the call ended without one")))
        return bytes(raw)

    def _end(self, waiting: asyncio.Timeout) -> None:
        del self._waiting[waiting]
        waiting.reschedule(0)


class ReceivingServer:
    """Stands for a server where handlers are added: it adds them with a receiver before them."""

    def __init__(self, server: grpc.aio.Server, receiver: RequestReceiver) -> None:
        self._server = server
        self._receiver = receiver

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Add handlers, as `grpc.aio.Server` does."""
        self._server.add_generic_rpc_handlers([_Receiving(handler, self._receiver) for handler in handlers])

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, _Handler]) -> None:
        """Add nothing: generated code adds the same handlers as generic ones."""


class _Receiving(grpc.GenericRpcHandler):
    """The handlers of a service, each with a receiver before it."""

    def __init__(self, handlers: grpc.GenericRpcHandler, receiver: RequestReceiver) -> None:
        self._handlers = handlers
        self._receiver = receiver
        self._made: dict[str, _Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> _Handler | None:
        """Return the handler of a method; None if the service has no such method."""
        method = handler_call_details.method
        if method not in self._made:
            handler = self._handlers.service(handler_call_details)
            if handler is None:
                return None
            self._made[method] = self._receiver.handler(handler)
        return self._made[method]
