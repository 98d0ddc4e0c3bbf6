"""A stream of requests that have one answer together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc
from google.protobuf.message import Message

from emberline.engine.errors import InvalidInput, ShuttingDown

from .rpc import AnsweredCall, Context, RpcService, deadline_of, metadata_of, serialize
from .stream import StreamIdle

#: Maximum size of all messages of a stream together.
_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CollectedCall:
    """A call with many messages and one answer.

    Attributes:
        call: answers them; its `convert` gets a list of messages.
        name: what the messages are called in errors.
    """

    call: AnsweredCall
    name: str


def collecting_handler(service: RpcService, method: str, collected: CollectedCall) -> grpc.RpcMethodHandler[Any, Any]:
    """Return the handler of a call of a service, which reads as many messages as a list may have entries."""
    dispatcher, call = service.dispatcher, collected.call

    async def answer(_: object, context: Context) -> Message:
        observed = service.observed(method, context)
        with dispatcher.observe(observed, metadata_of(context)):
            client = service.client(context)
            with dispatcher.slots.call(client, stream=True):
                dispatcher.take(client)
                messages: list[Any] = []
                size = 0
                async for raw in _messages(service, context):
                    size += len(raw)
                    if len(messages) == dispatcher.limits.inputs or size > _BYTES:
                        raise InvalidInput(
                            collected.name,
                            f"has more than {dispatcher.limits.inputs} entries or {_BYTES // 2**20} MiB; "
                            "send several requests",
                        )
                    messages.append(await service.parse(call, raw))
                request = call.convert(messages)
                options = dispatcher.options(deadline_of(context), 0, client)
                return await dispatcher.answer(
                    observed, lambda engine, options: call.answer(engine, request, options), options, shared=call.shared
                )
        return await service.abort(context, observed)

    return grpc.stream_unary_rpc_method_handler(answer, response_serializer=serialize)


async def _messages(service: RpcService, context: Context) -> AsyncIterator[bytes]:
    """Read messages until the sender ends.

    Raises:
        StreamIdle: none came for too long.
        ShuttingDown: the server drains.
    """
    draining = asyncio.create_task(service.dispatcher.draining.wait())
    try:
        while True:
            read = asyncio.ensure_future(context.read())
            try:
                seconds = service.limits.idle_seconds
                await asyncio.wait({read, draining}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                if not read.done():
                    raise ShuttingDown if draining.done() else StreamIdle(seconds)
            finally:
                read.cancel()
            raw: Any = read.result()
            if raw is grpc.aio.EOF:
                return
            yield cast("bytes", raw)
    finally:
        draining.cancel()
