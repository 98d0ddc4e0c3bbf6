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
    EncodeRequest,
    Item,
    ListRequest,
    RecommendRequest,
    RequestOptions,
    ScoreRequest,
    SimilarRequest,
)
from emberline.engine.wire import encode, info, items, recommend, score, similar
from emberline.engine.wire.limits import MessageLimits
from emberline.engine.wire.parsing import parse, stream_id
from emberline.proto import emberline_pb2 as pb

from .calls import CallSlots
from .clients import Clients
from .status import Status, status_of
from .stream import Stream, StreamIdle
from .traces import TracedCall, Tracer

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Emberline"].full_name

#: Requests with more bytes are parsed on a thread, because parsing them would stop the event loop for milliseconds.
_LARGE: Final = 262_144

#: Bytes of a copy of the catalogue in a message.
_PART: Final = 1_048_576

_OK: Final = Status(grpc.StatusCode.OK, "")
_CANCELLED: Final = Status(grpc.StatusCode.CANCELLED, "")


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of the contract.

    Attributes:
        message: type of the request's message.
        convert: converts the message to the engine's request.
        answer: answers the engine's request.
        free: whether the call needs no slot, because it only reports the server's state.
    """

    message: type[Message]
    convert: Callable[[Any], Any]
    answer: Callable[[Any, RequestOptions], Awaitable[Message]]
    free: bool = False


@dataclass(slots=True)
class _Observed:
    """A call while it runs; `status` is what it ends with."""

    status: Status = _OK


class Service:
    """Answers the calls of `emberline.v1.Emberline`."""

    def __init__(
        self,
        engine: Engine,
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
        """Set the engine; nothing is served yet.

        Args:
            engine: answers the requests.
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
        self._engine = engine
        self._limits = limits
        self._stream_requests = stream_requests
        self._ignore_priorities = ignore_priorities
        self._scratch = scratch
        self._tracer = tracer
        self._stream_idle_seconds = stream_idle_seconds
        self._draining = asyncio.Event()
        self._calls: Mapping[str, _Call] = {
            "Encode": _Call(pb.EncodeRequest, encode.request_from_message, self._encode),
            "Score": _Call(pb.ScoreRequest, score.request_from_message, self._score),
            "Recommend": _Call(pb.RecommendRequest, recommend.request_from_message, self._recommend),
            "UpsertItems": _Call(pb.UpsertItemsRequest, items.upsert_from_message, self._upsert),
            "DeleteItems": _Call(pb.DeleteItemsRequest, items.delete_from_message, self._delete),
            "GetItems": _Call(pb.GetItemsRequest, items.get_from_message, self._get),
            "ListItems": _Call(pb.ListItemsRequest, items.list_from_message, self._list),
            "SimilarItems": _Call(pb.SimilarItemsRequest, similar.request_from_message, self._similar),
            "RecommendMany": _Call(pb.RecommendManyRequest, recommend.many_from_message, self._recommend_many),
            "Info": _Call(pb.InfoRequest, lambda message: message, self._info, free=True),
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

    def switch(self, engine: Engine) -> None:
        """Answer with another engine from the next request on."""
        self._engine = engine

    async def drain(self) -> None:
        """Reject new calls, let streams end with the requests that they have read, and wait for all calls in flight."""
        self._draining.set()
        await self.slots.close()

    def _unary(self, method: str, call: _Call) -> Callable[..., Awaitable[Message]]:
        async def answer(raw: bytes, context: grpc.aio.ServicerContext[bytes, Message]) -> Message:
            with self._observed(method, context) as observed, nullcontext() if call.free else self._slot(context):
                request, priority = await self._read(call, raw)
                return await call.answer(request, self._options(context, priority))
            status = observed.status
            return await context.abort(status.code, status.message, status.metadata)

        return answer

    @contextmanager
    def _observed(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Iterator[_Observed]:
        """Count and trace a call. What it raises becomes its status, and does not leave the block."""
        arrived, observed = time.monotonic(), _Observed()
        with self._traced(method, context) as traced:
            try:
                yield observed
            except asyncio.CancelledError:
                observed.status = _CANCELLED
                raise
            except Exception as error:  # any error ends this call and not the server
                observed.status = status_of(error)
                if isinstance(error, ClientOverloaded):
                    self._engine.metrics.refused(error.kind)
            finally:
                traced.code = observed.status.code
                self._engine.metrics.request(method, traced.code.name, time.monotonic() - arrived)

    def _traced(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> AbstractContextManager[TracedCall]:
        if self._tracer is None:
            return nullcontext(TracedCall())
        return self._tracer.call(SERVICE, method, context.invocation_metadata() or ())

    async def _read(self, call: _Call, raw: bytes) -> tuple[Any, int]:
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
    def _slot(self, context: grpc.aio.ServicerContext[Any, Any]) -> Iterator[None]:
        """Take a slot for a call that is a request."""
        client = self._client(context)
        with self.slots.call(client):
            if self._clients is not None:
                self._clients.take(client)
            yield

    def _client(self, context: grpc.aio.ServicerContext[Any, Any]) -> str:
        return "" if self._clients is None else self._clients.name(context)

    def _options(self, context: grpc.aio.ServicerContext[Any, Any], priority: int) -> RequestOptions:
        return RequestOptions(_deadline(context), self._level(priority), self._client(context))

    def _level(self, priority: int) -> int:
        return min(priority, 0) if self._ignore_priorities else priority

    async def _encode(self, request: EncodeRequest, options: RequestOptions) -> pb.EncodeResponse:
        return encode.result_to_message(await self._engine.encode(request, options))

    async def _encode_stream(
        self, _: object, context: grpc.aio.ServicerContext[bytes, pb.EncodeStreamResponse]
    ) -> None:
        part = _Call(pb.EncodeStreamRequest, _part_from_message, self._encode)

        async def read() -> bytes | None:
            raw: Any = await context.read()  # the stubs leave out that it may be the end
            return None if raw is grpc.aio.EOF else cast("bytes", raw)

        async def answer(raw: bytes) -> pb.EncodeStreamResponse:
            arrived = time.monotonic()
            with self._traced("EncodeStream", context):  # each request of a stream has a span of its own
                (name, request, priority), _ = await self._read(part, raw)
                if self._clients is not None:
                    self._clients.take(self._client(context))
                response = await self._encode(request, self._options(context, priority))
                self._engine.metrics.request("EncodeStream", _OK.code.name, time.monotonic() - arrived)
            return pb.EncodeStreamResponse(id=name, response=response)

        def reject(raw: bytes, error: Exception) -> pb.EncodeStreamResponse:
            status = status_of(error)
            self._engine.metrics.stream_error("EncodeStream", status.code.name)
            if isinstance(error, ClientOverloaded):
                self._engine.metrics.refused(error.kind)
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
            self._engine.metrics.stream_error("EncodeStream", status.code.name)
            await context.abort(status.code, status.message, status.metadata)

    async def _score(self, request: ScoreRequest, options: RequestOptions) -> Message:
        return score.result_to_message(await self._engine.score(request, options))

    async def _recommend(self, request: RecommendRequest, options: RequestOptions) -> Message:
        return recommend.result_to_message(await self._engine.recommend(request, options))

    async def _upsert(self, request: tuple[Item, ...], options: RequestOptions) -> Message:
        return items.upsert_result_to_message(await self._engine.upsert(request, options))

    async def _delete(self, ids: tuple[str, ...], options: RequestOptions) -> Message:
        return items.delete_result_to_message(await self._engine.delete(ids, options))

    async def _get(self, request: tuple[tuple[str, ...], bool], options: RequestOptions) -> Message:
        ids, vectors = request
        return items.get_result_to_message(await self._engine.get(ids, options), vectors=vectors)

    async def _list(self, request: tuple[ListRequest, bool], options: RequestOptions) -> Message:
        page, vectors = request
        return items.list_result_to_message(await self._engine.list_items(page, options), vectors=vectors)

    async def _similar(self, request: SimilarRequest, options: RequestOptions) -> Message:
        return similar.result_to_message(await self._engine.similar(request, options))

    async def _recommend_many(
        self, request: tuple[tuple[RecommendRequest, ...], tuple[int, ...]], options: RequestOptions
    ) -> Message:
        requests, priorities = request
        each = [replace(options, priority=self._level(priority)) for priority in priorities]
        return recommend.many_results_to_message(await self._engine.recommend_many(requests, each))

    async def _backup(self, _: bytes, context: grpc.aio.ServicerContext[bytes, pb.BackupCatalogueResponse]) -> None:
        with (
            self._observed("BackupCatalogue", context) as observed,
            self.slots.call(self._client(context), stream=True),
            TemporaryDirectory(prefix="emberline-", dir=self._scratch) as folder,
        ):
            copy = Path(folder) / "catalogue.sqlite"
            await self._engine.backup(copy, RequestOptions(_deadline(context)))
            with copy.open("rb") as file:
                while data := await asyncio.to_thread(file.read, _PART):
                    await context.write(pb.BackupCatalogueResponse(data=data))
        if (status := observed.status) is not _OK:
            await context.abort(status.code, status.message, status.metadata)

    async def _info(self, _: pb.InfoRequest, __: RequestOptions) -> Message:
        return info.to_message(self._engine.info())


def _part_from_message(message: pb.EncodeStreamRequest) -> tuple[str, EncodeRequest, int]:
    return message.id, encode.request_from_message(message.request), message.request.priority


def _deadline(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Return the caller's deadline, in seconds of `time.monotonic`."""
    remaining: float | None = context.time_remaining()  # the stubs leave out that it may be None
    return None if remaining is None else time.monotonic() + remaining


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
