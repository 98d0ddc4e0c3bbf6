"""The service: answers the contract's calls with the engine, from bytes to messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import grpc
from google.protobuf.message import Message

from emberline.engine import tracing
from emberline.engine.engine import Engine
from emberline.engine.errors import ClientOverloaded, Overloaded, ShuttingDown
from emberline.engine.records import (
    RecommendRequest,
    RequestOptions,
)
from emberline.engine.validation import MIN_PRIORITY
from emberline.engine.wire import models, recommend
from emberline.engine.wire.limits import MessageLimits
from emberline.engine.wire.parsing import parse, stream_id
from emberline.proto import emberline_pb2 as pb

from .answers import CALLS, PART, AnsweredCall, as_it_is
from .calls import CallSlots
from .clients import Clients
from .models import Models, Traffic
from .status import CODES, Status, status_of
from .stream import Stream, StreamIdle
from .traces import TracedCall, Tracer

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Emberline"].full_name

#: Requests with more bytes are parsed on a thread, because parsing them would stop the event loop for milliseconds.
_LARGE: Final = 262_144

#: Bytes of a copy of the catalogue in a message.
_PART: Final = 1_048_576

#: The metadata that name a model.
_MODEL: Final = "emberline-model"

_OK: Final = Status(grpc.StatusCode.OK, "")
_CANCELLED: Final = Status(grpc.StatusCode.CANCELLED, "")


@dataclass(slots=True)
class _Observed:
    """A call while it runs.

    Attributes:
        model: name of the model that it names, and then of the one that answers it.
        status: what it ends with.
    """

    model: str = ""
    status: Status = _OK


class Service:
    """Answers the calls of `emberline.v1.Emberline`."""

    def __init__(
        self,
        loaded: Models,
        *,
        limits: MessageLimits,
        max_calls: int,
        stream_requests: int,
        stream_idle_seconds: float,
        ignore_priorities: bool = False,
        scratch: Path | None = None,
        tracer: Tracer | None = None,
        clients: Clients | None = None,
        client_share: float = 1.0,
    ) -> None:
        """Set the models; nothing is served yet.

        Args:
            loaded: the models that answer the requests.
            limits: maximum numbers of entries in a request's lists.
            max_calls: maximum number of calls in flight.
            stream_requests: maximum number of requests in flight per stream.
            stream_idle_seconds: seconds after which a stream without requests ends.
            ignore_priorities: whether priorities above 0 count as 0.
            scratch: folder with room for a copy of the catalogue; None: that of temporary files.
            tracer: traces the calls; None: nobody does.
            clients: tells clients apart and bounds their rates; None: nobody does.
            client_share: maximum share of `max_calls` that one client may have.
        """
        self.slots = CallSlots(max_calls, client_share)
        self._clients = clients
        self._models = loaded
        self._limits = limits
        self._stream_requests = stream_requests
        self._ignore_priorities = ignore_priorities
        self._scratch = scratch
        self._tracer = tracer
        self._stream_idle_seconds = stream_idle_seconds
        self._draining = asyncio.Event()
        self._calls: Mapping[str, AnsweredCall] = {
            **CALLS,
            "RecommendMany": AnsweredCall(
                pb.RecommendManyRequest, recommend.many_from_message, self._recommend_many, shared=True
            ),
            "LoadModel": AnsweredCall(pb.LoadModelRequest, as_it_is, self._load_model),
            "UnloadModel": AnsweredCall(pb.UnloadModelRequest, as_it_is, self._unload_model),
            "RouteModel": AnsweredCall(pb.RouteModelRequest, as_it_is, self._route_model),
            "ListModels": AnsweredCall(pb.ListModelsRequest, as_it_is, self._list_models, free=True),
        }

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler of all calls, for a gRPC server.

        Requests arrive as bytes, because gRPC itself would answer an unreadable request with "internal error".
        """
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: grpc.unary_unary_rpc_method_handler(self._unary(name, call), response_serializer=_serialize)
            for name, call in self._calls.items()
        }
        handlers["EncodeStream"] = grpc.stream_stream_rpc_method_handler(
            self._encode_stream, response_serializer=_serialize
        )
        handlers["BackupCatalogue"] = grpc.unary_stream_rpc_method_handler(self._backup, response_serializer=_serialize)
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    async def drain(self) -> None:
        """Reject new calls, let streams end with the requests that they have read, and wait for all calls in flight."""
        self._draining.set()
        await self.slots.close()

    def _unary(self, method: str, call: AnsweredCall) -> Callable[..., Awaitable[Message]]:
        async def answer(raw: bytes, context: grpc.aio.ServicerContext[bytes, Message]) -> Message:
            with self._observed(method, context) as observed:
                client = self._client(context)
                with nullcontext() if call.free else self._slot(client):
                    request, priority = await self._read(call, raw)
                    options = self._options(context, priority, client)
                    return await self._answer(method, call, request, options, observed)
            status = observed.status
            return await context.abort(status.code, status.message, status.metadata)

        return answer

    @contextmanager
    def _observed(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Iterator[_Observed]:
        """Count and trace a call. What it raises becomes its status, and does not leave the block."""
        arrived, observed = time.monotonic(), _Observed(_model(context))
        with self._traced(method, context) as traced:
            try:
                yield observed
            except asyncio.CancelledError:
                observed.status = _CANCELLED
                raise
            except Exception as error:  # any error ends this call and not the server
                observed.status = status_of(error)
                if isinstance(error, ClientOverloaded):
                    self._models.metrics(observed.model).refused(error.kind)
            finally:
                traced.code = observed.status.code
                self._models.metrics(observed.model).request(method, traced.code.name, time.monotonic() - arrived)

    async def _answer(
        self, method: str, call: AnsweredCall, request: Any, options: RequestOptions, observed: _Observed
    ) -> Message:
        """Answer a request by the model that it names, or else by the one that is drawn."""
        if call.shared and not observed.model:
            observed.model = self._models.choose()
            self._models.shadow(observed.model, lambda name: self._copy(method, call, request, options, name))
        return await call.answer(self._models.get(observed.model), request, options)

    async def _copy(self, method: str, call: AnsweredCall, request: Any, options: RequestOptions, model: str) -> None:
        """Answer and count the copy of a request, after all others."""
        arrived, code = time.monotonic(), _OK.code
        try:
            await call.answer(self._models.get(model), request, replace(options, priority=MIN_PRIORITY, client=""))
        except Exception as error:
            code = CODES.get(type(error), grpc.StatusCode.INTERNAL)
            raise
        finally:
            self._models.metrics(model).request(method, code.name, time.monotonic() - arrived)

    def _traced(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractContextManager[TracedCall]:
        if self._tracer is None:
            return nullcontext(TracedCall())
        return self._tracer.call(SERVICE, method, context.invocation_metadata() or ())

    async def _read(self, call: AnsweredCall, raw: bytes) -> tuple[Any, int]:
        """Parse a request; returns the engine's request and the priority."""
        started = time.monotonic()

        def read() -> tuple[Any, int]:
            message = parse(call.message, raw, self._limits)
            return call.convert(message), getattr(message, "priority", 0)

        request = read() if len(raw) <= _LARGE else await asyncio.to_thread(read)
        if trace := tracing.current.get():
            trace.stages(started, {"receive": time.monotonic() - started})
        return request

    @contextmanager
    def _slot(self, client: str) -> Iterator[None]:
        """Take a slot for a client's call that is a request."""
        with self.slots.call(client):
            if self._clients is not None:
                self._clients.take(client)
            yield

    def _client(self, context: grpc.aio.ServicerContext[Any, Any]) -> str:
        return "" if self._clients is None else self._clients.name(context)

    def _options(self, context: grpc.aio.ServicerContext[Any, Any], priority: int, client: str) -> RequestOptions:
        return RequestOptions(_deadline(context), self._level(priority), client)

    def _level(self, priority: int) -> int:
        return min(priority, 0) if self._ignore_priorities else priority

    async def _encode_stream(
        self, _: object, context: grpc.aio.ServicerContext[bytes, pb.EncodeStreamResponse]
    ) -> None:
        model = _model(context)

        async def read() -> bytes | None:
            raw: Any = await context.read()  # the stubs leave out that it may be the end
            return None if raw is grpc.aio.EOF else cast("bytes", raw)

        async def answer(raw: bytes) -> pb.EncodeStreamResponse:
            arrived, observed = time.monotonic(), _Observed(model)
            with self._traced("EncodeStream", context):  # each request of a stream has a span of its own
                (name, request, priority), _ = await self._read(PART, raw)
                client = self._client(context)  # anew for each, since tokens may change while a stream is open
                if self._clients is not None:
                    self._clients.take(client)
                options = self._options(context, priority, client)
                response = await self._answer("EncodeStream", PART, request, options, observed)
                self._models.metrics(observed.model).request("EncodeStream", _OK.code.name, time.monotonic() - arrived)
            return pb.EncodeStreamResponse(id=name, response=cast("pb.EncodeResponse", response))

        def reject(raw: bytes, error: Exception) -> pb.EncodeStreamResponse:
            status = status_of(error)
            self._models.metrics(model).stream_error("EncodeStream", status.code.name)
            if isinstance(error, ClientOverloaded):
                self._models.metrics(model).refused(error.kind)
            return pb.EncodeStreamResponse(
                id=stream_id(raw), error=pb.Error(code=status.code.name, message=status.message)
            )

        try:
            with self.slots.call(self._client(context), stream=True):
                stream = Stream(read, context.write, answer, reject, self._stream_requests, self._stream_idle_seconds)
                await stream.run(self._draining)
                if self._draining.is_set():
                    raise ShuttingDown
        except (ShuttingDown, Overloaded, StreamIdle) as error:
            status = status_of(error)
            self._models.metrics(model).stream_error("EncodeStream", status.code.name)
            await context.abort(status.code, status.message, status.metadata)

    async def _recommend_many(
        self, engine: Engine, request: tuple[tuple[RecommendRequest, ...], tuple[int, ...]], options: RequestOptions
    ) -> Message:
        requests, priorities = request
        each = [replace(options, priority=self._level(priority)) for priority in priorities]
        return recommend.many_results_to_message(await engine.recommend_many(requests, each))

    async def _backup(self, _: bytes, context: grpc.aio.ServicerContext[bytes, pb.BackupCatalogueResponse]) -> None:
        with (
            self._observed("BackupCatalogue", context) as observed,
            self.slots.call(self._client(context), stream=True),
            TemporaryDirectory(prefix="emberline-", dir=self._scratch) as folder,
        ):
            copy = Path(folder) / "catalogue.sqlite"
            await self._models.get(observed.model).backup(copy, RequestOptions(_deadline(context)))
            with copy.open("rb") as file:
                while data := await asyncio.to_thread(file.read, _PART):
                    await context.write(pb.BackupCatalogueResponse(data=data))
        if (status := observed.status) is not _OK:
            await context.abort(status.code, status.message, status.metadata)

    async def _load_model(self, _: Engine, request: pb.LoadModelRequest, __: RequestOptions) -> Message:
        await self._models.load(request.name, items=request.items)
        return models.to_message(self._models.list())

    async def _unload_model(self, _: Engine, request: pb.UnloadModelRequest, __: RequestOptions) -> Message:
        await self._models.unload(request.name)
        return models.to_message(self._models.list())

    async def _route_model(self, _: Engine, request: pb.RouteModelRequest, __: RequestOptions) -> Message:
        self._models.route(request.name, Traffic(request.share, request.shadow))
        return models.to_message(self._models.list())

    async def _list_models(self, _: Engine, __: pb.ListModelsRequest, ___: RequestOptions) -> Message:
        return models.to_message(self._models.list())


def _model(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return the name of the model that a call names; empty if it names none."""
    named = [value for name, value in context.invocation_metadata() or () if name == _MODEL]
    return named[-1] if named and isinstance(named[-1], str) else ""


def _deadline(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Return the caller's deadline, in seconds of `time.monotonic`."""
    remaining: float | None = context.time_remaining()  # the stubs leave out that it may be None
    return None if remaining is None else time.monotonic() + remaining


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
