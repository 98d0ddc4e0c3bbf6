"""The service: answers the contract's calls with the engine, from bytes to messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import grpc
from google.protobuf.message import Message

from emberline.engine.engine import Engine
from emberline.engine.errors import ShuttingDown
from emberline.engine.records import RequestOptions
from emberline.engine.wire import encode, info, items, recommend, score
from emberline.engine.wire.parsing import parse, stream_id
from emberline.proto import emberline_pb2 as pb

from .status import Status, status_of
from .stream import Stream

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Emberline"].full_name

#: Answers a call: takes the request's message and the call's deadline, in seconds of `time.monotonic`.
Handler = Callable[[Any, float | None], Awaitable[Message]]

_OK: Final = Status(grpc.StatusCode.OK, "")
_CANCELLED: Final = Status(grpc.StatusCode.CANCELLED, "")


class Service:
    """Answers the calls of `emberline.v1.Emberline`."""

    def __init__(self, engine: Engine, stream_requests: int) -> None:
        """Set the engine; nothing is served yet.

        Args:
            engine: answers the requests.
            stream_requests: maximum number of requests in flight per stream.
        """
        self._engine = engine
        self._stream_requests = stream_requests
        self._draining = asyncio.Event()

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler of all calls, for a gRPC server.

        Requests arrive as bytes, because gRPC itself would answer an unreadable request with "internal error".
        """
        calls: Mapping[str, tuple[type[Message], Handler]] = {
            "Encode": (pb.EncodeRequest, self._encode),
            "Score": (pb.ScoreRequest, self._score),
            "Recommend": (pb.RecommendRequest, self._recommend),
            "UpsertItems": (pb.UpsertItemsRequest, self._upsert),
            "DeleteItems": (pb.DeleteItemsRequest, self._delete),
            "GetItems": (pb.GetItemsRequest, self._get),
            "Info": (pb.InfoRequest, self._info),
        }
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: grpc.unary_unary_rpc_method_handler(self._unary(name, kind, handler), response_serializer=_serialize)
            for name, (kind, handler) in calls.items()
        }
        handlers["EncodeStream"] = grpc.stream_stream_rpc_method_handler(
            self._encode_stream, response_serializer=_serialize
        )
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def drain(self) -> None:
        """End streams once their requests have been answered."""
        self._draining.set()

    def _unary(self, method: str, kind: type[Message], handler: Handler) -> Callable[..., Awaitable[Message]]:
        async def call(raw: bytes, context: grpc.aio.ServicerContext[bytes, Message]) -> Message:
            arrived = time.monotonic()
            status = _OK
            try:
                return await handler(parse(kind, raw), _deadline(context))
            except asyncio.CancelledError:
                status = _CANCELLED
                raise
            except Exception as error:  # any error ends this call and not the server
                status = status_of(error)
            finally:
                self._engine.metrics.request(method, status.code.name, time.monotonic() - arrived)
            return await context.abort(status.code, status.message, status.metadata)

        return call

    async def _encode(self, message: pb.EncodeRequest, deadline: float | None) -> pb.EncodeResponse:
        request = encode.request_from_message(message)
        return encode.result_to_message(await self._engine.encode(request, RequestOptions(deadline, message.priority)))

    async def _encode_stream(
        self, _: object, context: grpc.aio.ServicerContext[bytes, pb.EncodeStreamResponse]
    ) -> None:
        deadline = _deadline(context)

        async def read() -> bytes | None:
            raw: Any = await context.read()  # the stubs leave out that it may be the end
            return None if raw is grpc.aio.EOF else cast("bytes", raw)

        async def answer(raw: bytes) -> pb.EncodeStreamResponse:
            arrived = time.monotonic()
            message = parse(pb.EncodeStreamRequest, raw)
            response = await self._encode(message.request, deadline)
            self._engine.metrics.request("EncodeStream", _OK.code.name, time.monotonic() - arrived)
            return pb.EncodeStreamResponse(id=message.id, response=response)

        def reject(raw: bytes, error: Exception) -> pb.EncodeStreamResponse:
            status = status_of(error)
            self._engine.metrics.stream_error("EncodeStream", status.code.name)
            return pb.EncodeStreamResponse(
                id=stream_id(raw), error=pb.Error(code=status.code.name, message=status.message)
            )

        await Stream(read, context.write, answer, reject, self._stream_requests).run(self._draining)
        if self._draining.is_set():
            status = status_of(ShuttingDown())
            await context.abort(status.code, status.message, status.metadata)

    async def _score(self, message: pb.ScoreRequest, deadline: float | None) -> Message:
        request = score.request_from_message(message)
        return score.result_to_message(await self._engine.score(request, RequestOptions(deadline, message.priority)))

    async def _recommend(self, message: pb.RecommendRequest, deadline: float | None) -> Message:
        request = recommend.request_from_message(message)
        options = RequestOptions(deadline, message.priority)
        return recommend.result_to_message(await self._engine.recommend(request, options))

    async def _upsert(self, message: pb.UpsertItemsRequest, deadline: float | None) -> Message:
        result = await self._engine.upsert(items.upsert_from_message(message), RequestOptions(deadline))
        return items.upsert_result_to_message(result)

    async def _delete(self, message: pb.DeleteItemsRequest, deadline: float | None) -> Message:
        return items.delete_result_to_message(await self._engine.delete(tuple(message.ids), RequestOptions(deadline)))

    async def _get(self, message: pb.GetItemsRequest, deadline: float | None) -> Message:
        result = await self._engine.get(tuple(message.ids), RequestOptions(deadline))
        return items.get_result_to_message(result, vectors=message.vectors)

    async def _info(self, _: pb.InfoRequest, __: float | None) -> Message:
        return info.to_message(self._engine.info())


def _deadline(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Return the caller's deadline, in seconds of `time.monotonic`."""
    remaining: float | None = context.time_remaining()  # the stubs leave out that it may be None
    return None if remaining is None else time.monotonic() + remaining


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
