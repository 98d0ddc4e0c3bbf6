"""gRPC services: answer the calls of a contract by the dispatcher, from bytes to messages.

The service of `emberline.v1` and those of other contracts are made of this one. Requests arrive as bytes, because gRPC
itself would answer an unreadable request with "internal error".
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NoReturn, cast

import grpc
from google.protobuf.message import Message

from emberline.engine.engine import Engine
from emberline.engine.errors import Overloaded, ShuttingDown, Unsupported
from emberline.engine.records import RequestOptions
from emberline.engine.wire.parsing import parse

from .dispatcher import Dispatcher, ObservedCall
from .status import Status, abort
from .stream import Stream, StreamIdle
from .tokens import Scope, bearer

#: The metadata that name a model.
_MODEL: Final = "emberline-model"

Context = grpc.aio.ServicerContext[Any, Any]


def priority_of(message: Any) -> int:
    """Return the priority that a request has; 0 if its message has no such field."""
    priority: int = getattr(message, "priority", 0)
    return priority


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """A call of a contract: how a message becomes a request, and a result a message.

    Attributes:
        message: type of the request's message.
        convert: converts the message to the request.
        answer: answers the request.
        free: whether the call needs no slot, because it only reports the server's state.
        shared: whether another model than the default may answer it, or get a copy, if it names none.
        scope: what a token must allow.
        priority: returns the priority that a message has.
        timeout: returns the seconds that a message allows, or None; without it the call's own deadline alone counts.
        model: returns the name of the model that a message names; empty: the call's metadata may name one.
    """

    message: type[Message]
    convert: Callable[[Any], Any]
    answer: Callable[[Engine, Any, RequestOptions], Awaitable[Message]]
    free: bool = False
    shared: bool = False
    scope: Scope = "read"
    priority: Callable[[Any], int] = priority_of
    timeout: Callable[[Any], float | None] | None = None
    model: Callable[[Any], str] | None = None


@dataclass(frozen=True, slots=True)
class StreamedCall:
    """A stream whose requests are answered one by one, in their order.

    Attributes:
        call: answers one request.
        reject: makes the answer to a request that is refused, from its bytes and its status; it returns None if the
            stream has to end with that status.
    """

    call: AnsweredCall
    reject: Callable[[bytes, Status], Message | None] = lambda _, __: None


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits of a stream.

    Attributes:
        requests: maximum number of requests in flight per stream.
        idle_seconds: seconds after which a stream without requests ends.
    """

    requests: int
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class RpcContract:
    """A contract that is served over gRPC.

    Attributes:
        service: full name of the service.
        calls: the calls with one request and one answer, by their methods' names.
        streams: the streams, by their methods' names.
        lists: maximum numbers of entries by the full names of the messages' lists; see `wire.limits`.
        prefix: stands before the methods' names in the metrics, so that they are unique among all contracts.
        status: changes the status of an error to what the contract says in its place.
    """

    service: str
    calls: Mapping[str, AnsweredCall]
    lists: Mapping[str, int]
    streams: Mapping[str, StreamedCall] = field(default_factory=dict)
    prefix: str = ""
    status: Callable[[Exception, Status], Status] = lambda _, status: status


class RpcService:
    """Answers the calls of one contract.

    Attributes:
        dispatcher: sends calls to the engines.
        limits: limits of a stream.
    """

    def __init__(self, contract: RpcContract, dispatcher: Dispatcher, limits: StreamLimits) -> None:
        self.dispatcher = dispatcher
        self.limits = limits
        self._contract = contract

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """Return the handlers of all calls, by their methods' names."""
        contract = self._contract
        return {
            name: grpc.unary_unary_rpc_method_handler(self._unary(name, call), response_serializer=serialize)
            for name, call in contract.calls.items()
        } | {
            name: grpc.stream_stream_rpc_method_handler(
                partial(self._stream, name, stream), response_serializer=serialize
            )
            for name, stream in contract.streams.items()
        }

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler of all calls, for a gRPC server."""
        return grpc.method_handlers_generic_handler(self._contract.service, self.handlers())

    def observed(self, method: str, context: Context) -> ObservedCall:
        """Return a call that has just arrived."""
        return ObservedCall(self._contract.service, f"{self._contract.prefix}{method}", _model(context))

    def client(self, context: Context) -> str:
        """Return the name of a call's client."""
        if not self.dispatcher.names_clients:
            return ""
        return self.dispatcher.client(bearer(metadata_of(context)), str(context.peer()))

    async def parse(self, call: AnsweredCall, raw: bytes) -> Any:
        """Parse a message of a call.

        Raises:
            InvalidInput: the bytes are not such a message, or a list is too long.
        """
        return await self.dispatcher.read(len(raw), lambda: parse(call.message, raw, self._contract.lists))

    async def abort(self, context: Context, observed: ObservedCall) -> NoReturn:
        """End a call that was refused with the contract's status."""
        assert observed.error is not None
        await abort(context, self._contract.status(observed.error, observed.status))

    def _unary(self, method: str, call: AnsweredCall) -> Callable[..., Awaitable[Message]]:
        dispatcher = self.dispatcher

        async def answer(raw: bytes, context: Context) -> Message:
            observed = self.observed(method, context)
            with dispatcher.observe(observed, metadata_of(context)):
                client = self.client(context)
                with nullcontext() if call.free else dispatcher.slot(client):
                    return await self._answer(call, raw, context, client, observed)
            return await self.abort(context, observed)

        return answer

    async def _answer(
        self, call: AnsweredCall, raw: bytes, context: Context, client: str, observed: ObservedCall
    ) -> Message:
        dispatcher = self.dispatcher

        def read() -> tuple[Any, int, float | None]:
            message = parse(call.message, raw, self._contract.lists)
            if call.model is not None:
                observed.model = call.model(message) or observed.model
            timeout = None if call.timeout is None else call.timeout(message)
            return call.convert(message), call.priority(message), timeout

        request, priority, timeout = await dispatcher.read(len(raw), read)
        options = dispatcher.options(deadline_of(context, timeout), priority, client)
        return await dispatcher.answer(
            observed, lambda engine, options: call.answer(engine, request, options), options, shared=call.shared
        )

    async def _stream(self, method: str, stream: StreamedCall, _: object, context: Context) -> None:
        dispatcher, limits = self.dispatcher, self.limits
        refused: ObservedCall | None = None  # the request that ends the stream

        async def read() -> bytes | None:
            raw: Any = await context.read()  # the stubs leave out that it may be the end
            return None if raw is grpc.aio.EOF else cast("bytes", raw)

        async def answer(raw: bytes) -> Message:
            arrived, observed = time.monotonic(), self.observed(method, context)
            with dispatcher.trace(observed, metadata_of(context)):  # each request has a span of its own
                client = self.client(context)  # anew for each, since tokens may change while a stream is open
                dispatcher.take(client)
                response = await self._answer(stream.call, raw, context, client, observed)
                dispatcher.count(observed, arrived)
            return response

        def reject(raw: bytes, error: Exception) -> Message | ObservedCall:
            observed = self._rejected(method, context, error)
            return stream.reject(raw, self._contract.status(error, observed.status)) or observed

        async def write(answer: Message | ObservedCall) -> None:
            nonlocal refused
            if isinstance(answer, ObservedCall):
                refused = answer
                raise _StreamEnded
            await context.write(answer)

        try:
            with dispatcher.slots.call(self.client(context), stream=True):
                await Stream(read, write, answer, reject, limits.requests, limits.idle_seconds).run(dispatcher.draining)
                if dispatcher.draining.is_set():
                    raise ShuttingDown
        except (ShuttingDown, Overloaded, StreamIdle) as error:
            refused = self._rejected(method, context, error)
        except ExceptionGroup:
            if refused is None:
                raise
        if refused is not None:
            await self.abort(context, refused)

    def _rejected(self, method: str, context: Context, error: Exception) -> ObservedCall:
        observed = self.observed(method, context)
        observed.error, observed.status = error, self.dispatcher.reject(observed, error)
        return observed


class _StreamEnded(Exception):
    """A refused request ends its stream."""


def unsupported(message: type[Message], reason: str) -> AnsweredCall:
    """Return a call that is always refused, for a reason."""

    def refuse(_: Message) -> NoReturn:
        raise Unsupported(reason)

    async def never(_: Engine, __: object, ___: RequestOptions) -> Message:
        raise AssertionError("it was refused")

    return AnsweredCall(message, refuse, never)


def scopes_of(contract: RpcContract) -> dict[str, Scope]:
    """Return the scopes of the methods that need another one than ``read``, as ``/service/method``."""
    calls = {**contract.calls, **{name: stream.call for name, stream in contract.streams.items()}}
    return {f"/{contract.service}/{name}": call.scope for name, call in calls.items() if call.scope != "read"}


def metadata_of(context: Context) -> Iterable[tuple[str, str | bytes]]:
    """Return the metadata of a call."""
    return context.invocation_metadata() or ()


def deadline_of(context: Context, timeout: float | None = None) -> float | None:
    """Return the caller's deadline, in seconds of `time.monotonic`, and at most `timeout` seconds from now."""
    remaining: float | None = context.time_remaining()  # the stubs leave out that it may be None
    if timeout is not None:
        remaining = timeout if remaining is None else min(remaining, timeout)
    return None if remaining is None else time.monotonic() + remaining


def _model(context: Context) -> str:
    """Return the name of the model that a call's metadata name; empty if they name none."""
    named = [value for name, value in metadata_of(context) if name == _MODEL]
    return named[-1] if named and isinstance(named[-1], str) else ""


def serialize(message: Message) -> bytes:
    """Return the bytes of a message; that of `Message` itself is abstract."""
    return message.SerializeToString()
