"""What the clients do around their calls: open a connection, wait for the server, and try again."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from emberline.engine.errors import EmberlineError, ServerUnreachable
from emberline.engine.timeouts import check_timeout, until
from emberline.proto.emberline_pb2_grpc import EmberlineStub

from . import calls
from .channel import TIMEOUT, Connection, deadline, options
from .failures import from_rpc, is_answer, is_silence
from .retries import Attempts
from .tls import Tls

Answer = TypeVar("Answer")


class BlockingCaller:
    """A connection to one server, with the settings of `Client`."""

    def __init__(
        self,
        address: str,
        *,
        timeout: float = TIMEOUT,
        retries: int | None = None,
        tls: Tls | None = None,
        token: str = "",
        model: str = "",
    ) -> None:
        def open_channel() -> grpc.Channel:
            if tls is None:
                return grpc.insecure_channel(address, options=options(address))
            return grpc.secure_channel(address, tls.credentials(), options=(*options(address), *tls.options))

        self._connection: Connection[grpc.Channel, EmberlineStub] = Connection(
            address, timeout, retries, open_channel, EmberlineStub, token, model
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close().close()

    def ready(self, *, timeout: float = 1.0) -> bool:
        """Return whether the server accepts requests now."""
        with suppress(ServerUnreachable):
            self.wait_ready(timeout=timeout)
            return True
        return False

    def wait_ready(self, *, timeout: float = TIMEOUT) -> None:
        """Wait until the server accepts requests.

        Raises:
            ServerUnreachable: the server was not ready within `timeout` seconds.
        """
        check_timeout(timeout)
        health = health_pb2_grpc.HealthStub(self._connection.channel)
        ends = until(timeout, time.monotonic())
        while (left := ends - time.monotonic()) > 0:
            watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=deadline(left), wait_for_ready=True)
            try:
                for state in watch:
                    if state.status == health_pb2.HealthCheckResponse.SERVING:
                        watch.cancel()
                        return
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise from_rpc(error, self._connection.address) from None
        raise ServerUnreachable(
            f"{self._connection.address} was not ready within {timeout:g} s; check that a server runs there"
        )

    def _call(self, call: calls.Call[Answer], timeout: float | None) -> Answer:
        attempts = Attempts(self._connection.seconds(timeout), self._connection.retries)
        while True:
            send = getattr(self._connection.stub, call.method)
            try:
                message = send(call.request, timeout=deadline(attempts.left), metadata=self._connection.metadata)
            except grpc.RpcError as failure:
                error = _failed(failure, self._connection)
            else:
                self._connection.answered()
                return call.read(message)
            time.sleep(attempts.pause(error, reached=self._connection.reached))


class AsyncCaller:
    """The same for asyncio, with the settings of `AsyncClient`."""

    def __init__(
        self,
        address: str,
        *,
        timeout: float = TIMEOUT,
        retries: int | None = None,
        tls: Tls | None = None,
        token: str = "",
        model: str = "",
    ) -> None:
        def open_channel() -> grpc.aio.Channel:
            if tls is None:
                return grpc.aio.insecure_channel(address, options=options(address))
            return grpc.aio.secure_channel(address, tls.credentials(), options=(*options(address), *tls.options))

        self._connection: Connection[grpc.aio.Channel, EmberlineStub] = Connection(
            address, timeout, retries, open_channel, EmberlineStub, token, model
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close().close()

    async def ready(self, *, timeout: float = 1.0) -> bool:
        """See `Client.ready`."""
        with suppress(ServerUnreachable):
            await self.wait_ready(timeout=timeout)
            return True
        return False

    async def wait_ready(self, *, timeout: float = TIMEOUT) -> None:
        """See `Client.wait_ready`."""
        check_timeout(timeout)
        health = health_pb2_grpc.HealthStub(self._connection.channel)
        ends = until(timeout, time.monotonic())
        while (left := ends - time.monotonic()) > 0:
            watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=deadline(left), wait_for_ready=True)
            try:
                async for state in watch:
                    if state.status == health_pb2.HealthCheckResponse.SERVING:
                        watch.cancel()
                        return
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise from_rpc(error, self._connection.address) from None
        raise ServerUnreachable(
            f"{self._connection.address} was not ready within {timeout:g} s; check that a server runs there"
        )

    async def _call(self, call: calls.Call[Answer], timeout: float | None) -> Answer:
        attempts = Attempts(self._connection.seconds(timeout), self._connection.retries)
        while True:
            send = getattr(self._connection.stub, call.method)
            try:
                message = await send(call.request, timeout=deadline(attempts.left), metadata=self._connection.metadata)
            except grpc.RpcError as failure:
                error = _failed(failure, self._connection)
            else:
                self._connection.answered()
                return call.read(message)
            await asyncio.sleep(attempts.pause(error, reached=self._connection.reached))


def _failed(failure: grpc.RpcError, connection: Connection[Any, Any]) -> EmberlineError:
    """Record how a call failed, and return the error that it is."""
    if is_silence(failure):
        connection.unanswered()
    else:
        connection.answered(by_server=is_answer(failure))
    return from_rpc(failure, connection.address)
