"""The HTTP server: uvicorn in the event loop of the gRPC server, with the life cycle of that one."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

import uvicorn
from starlette.applications import Starlette

from emberline.engine.errors import ConfigError

from .connection import HttpConnection

#: Seconds that an idle connection is kept.
_KEEP_ALIVE: Final = 75
#: Connections that may wait to be accepted.
_BACKLOG: Final = 1024


def listen(address: str) -> socket.socket:
    """Return a socket that listens on HOST:PORT.

    Raises:
        ConfigError: the address is not available.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot serve HTTP on {address} ({error.strerror}): the port is in use, or the host is not this "
            "machine's; set another one"
        ) from error


class HttpServer:
    """Serves an application on a socket.

    Attributes:
        port: the port it listens on.
    """

    def __init__(self, server: _UvicornServer, task: asyncio.Task[None], port: int) -> None:
        """Take over a server that runs; `start` makes one."""
        self.port = port
        self._server = server
        self._task = task

    @classmethod
    async def start(
        cls, application: Starlette, listener: socket.socket, context: ssl.SSLContext | None, connections: int
    ) -> Self:
        """Start to serve.

        Args:
            application: answers the requests.
            listener: the socket, which is closed at the end.
            context: encrypts; None: nothing is encrypted.
            connections: maximum number of connections; requests on others are answered with 503.
        """
        config = uvicorn.Config(
            application,
            http=HttpConnection,
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=connections,
            timeout_keep_alive=_KEEP_ALIVE,
            ssl_context_factory=None if context is None else lambda _, __: context,
        )
        port: int = listener.getsockname()[1]
        server = _UvicornServer(config)
        task = asyncio.create_task(server.serve([listener]))
        while not server.started and not task.done():
            await asyncio.sleep(0.001)
        if task.done():
            task.result()  # the error that kept it from starting
        return cls(server, task, port)

    async def stop(self, seconds: float) -> None:
        """Accept no connections, close the idle ones, and wait for the others to be answered for so many seconds."""
        self._server.config.timeout_graceful_shutdown = math.ceil(seconds)
        self._server.should_exit = True
        await self._task


class _UvicornServer(uvicorn.Server):
    """A server that leaves the signals to the life cycle."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
