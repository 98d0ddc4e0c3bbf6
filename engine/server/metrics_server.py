"""The metrics server, which Prometheus scrapes over HTTP."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final, Self

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from emberline.engine.errors import ConfigError

#: Seconds that a connection has to ask and to read its answer.
_SECONDS: Final = 5.0
#: Connections at a time. One more closes the oldest, so that idle ones cannot keep Prometheus out.
_CONNECTIONS: Final = 64
#: Bytes of a request's head.
_HEAD_BYTES: Final = 16_384
_PATHS: Final = ("/", "/metrics")


class MetricsServer:
    """Serves a registry at ``/metrics`` from the event loop, one answer a connection; an idle one costs no thread.

    Attributes:
        port: the port it listens on.
    """

    def __init__(self, registry: Collector) -> None:
        self._registry = registry
        self._tasks: dict[asyncio.Task[None], None] = {}  # oldest first
        self._server: asyncio.Server | None = None
        self.port = 0

    @classmethod
    async def start(cls, registry: Collector, host: str, port: int) -> Self:
        """Start to serve.

        Args:
            registry: the metrics.
            host: the host to listen on.
            port: the port to listen on; 0: a free one.

        Raises:
            ConfigError: the port is not available.
        """
        server = cls(registry)
        try:
            server._server = await asyncio.start_server(server._connected, host.strip("[]"), port, limit=_HEAD_BYTES)
        except OSError as error:
            raise ConfigError(
                f"metrics cannot be served on {host}:{port} ({error.strerror}); free the port or set another one"
            ) from error
        server.port = server._server.sockets[0].getsockname()[1]
        return server

    async def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = None
        if len(self._tasks) > _CONNECTIONS:
            next(iter(self._tasks)).cancel()
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await asyncio.to_thread(self._answer, head.decode("latin-1")))
                await writer.drain()
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # whoever asks too slowly, too much or not to the end gets no answer
        finally:
            del self._tasks[task]
            writer.close()

    def _answer(self, head: str) -> bytes:
        request, *lines = head.split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, _, path = request.partition(" ")
        path = path.partition(" ")[0].partition("?")[0]
        if method != "GET":
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"")
        if path not in _PATHS:
            return _response(HTTPStatus.NOT_FOUND, "text/plain", b"the metrics are at /metrics\n")
        encode, kind = choose_encoder(headers.get("accept", ""))
        return _response(HTTPStatus.OK, kind, encode(self._registry))


def _response(status: HTTPStatus, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("latin-1") + body
