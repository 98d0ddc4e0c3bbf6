"""Streams of requests that survive the restart of the server: what was not answered is sent again on a new stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from queue import SimpleQueue
from typing import cast

import grpc

from emberline.engine.errors import EmberlineError
from emberline.engine.timeouts import until
from emberline.proto import emberline_pb2 as pb
from emberline.proto.emberline_pb2_grpc import EmberlineStub

from .channel import Connection, deadline
from .failures import from_rpc, from_status, unfinished
from .retries import Attempts

#: Gives the requests that a new stream must carry.
Unanswered = Callable[[], Iterable[pb.EncodeStreamRequest]]


class BlockingStream:
    """A stream of the blocking client.

    Args:
        connection: connection to the server.
        seconds: seconds for the whole stream.
    """

    def __init__(self, connection: Connection[grpc.Channel, EmberlineStub], seconds: float) -> None:
        self._connection = connection
        self._ends = until(seconds, time.monotonic())
        self._attempts = Attempts(seconds, connection.retries)
        self._open()

    def send(self, request: pb.EncodeStreamRequest) -> None:
        """Send a request."""
        self._outbox.put(request)

    def receive(self, unanswered: Unanswered) -> pb.EncodeStreamResponse:
        """Return the next answer. If the stream ends, open another one, as often as a call may be sent again.

        Raises:
            EmberlineError: the stream ended, and another would not help.
        """
        while True:
            try:
                answer: pb.EncodeStreamResponse = next(self._stream)
            except grpc.RpcError as failure:
                error: EmberlineError = from_rpc(failure, self._connection.address)
            except StopIteration:
                error = unfinished(self._connection.address)
            else:
                if time.monotonic() >= self._ends:  # the answer came before gRPC noticed that the deadline had passed
                    raise from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "", self._connection.address)
                self._connection.answered()
                self._attempts.progressed()
                return answer
            pause = self._attempts.pause(error, reached=self._connection.reached)
            self.close()
            time.sleep(pause)
            self._open()
            for request in unanswered():
                self.send(request)

    def close(self) -> None:
        """End the stream."""
        self._outbox.put(None)
        self._stream.cancel()

    def _open(self) -> None:
        self._outbox: SimpleQueue[pb.EncodeStreamRequest | None] = SimpleQueue()
        self._stream = self._connection.stub.EncodeStream(
            iter(self._outbox.get, None),
            timeout=deadline(self._ends - time.monotonic()),
            metadata=self._connection.metadata,
        )


class AsyncStream:
    """A stream of the asyncio client, like `BlockingStream`."""

    def __init__(self, connection: Connection[grpc.aio.Channel, EmberlineStub], seconds: float) -> None:
        self._connection = connection
        self._ends = until(seconds, time.monotonic())
        self._attempts = Attempts(seconds, connection.retries)
        self._open()

    def send(self, request: pb.EncodeStreamRequest) -> None:
        """Send a request."""
        self._outbox.put_nowait(request)

    async def receive(self, unanswered: Unanswered) -> pb.EncodeStreamResponse:
        """See `BlockingStream.receive`."""
        while True:
            try:
                answer = await self._stream.read()
            except grpc.RpcError as failure:
                error: EmberlineError = from_rpc(failure, self._connection.address)
            else:
                error = unfinished(self._connection.address)
                if answer is not grpc.aio.EOF and time.monotonic() < self._ends:
                    self._connection.answered()
                    self._attempts.progressed()
                    return cast("pb.EncodeStreamResponse", answer)
            # Also where an answer came before gRPC noticed that the deadline had passed, and where the stream expired
            # before it started, which ends with an internal error of gRPC's asyncio.
            if time.monotonic() >= self._ends:
                raise from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "", self._connection.address)
            pause = self._attempts.pause(error, reached=self._connection.reached)
            self.close()
            await asyncio.sleep(pause)
            self._open()
            for request in unanswered():
                self.send(request)

    def close(self) -> None:
        """End the stream."""
        self._outbox.put_nowait(None)
        self._stream.cancel()

    def _open(self) -> None:
        outbox: asyncio.Queue[pb.EncodeStreamRequest | None] = asyncio.Queue()

        async def sent() -> AsyncIterator[pb.EncodeStreamRequest]:
            while (request := await outbox.get()) is not None:
                yield request

        self._outbox = outbox
        self._stream = self._connection.stub.EncodeStream(
            sent(), timeout=deadline(self._ends - time.monotonic()), metadata=self._connection.metadata
        )
