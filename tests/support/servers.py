"""Servers in threads of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from emberline.engine.config import EngineConfig
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server


@asynccontextmanager
async def running(config: ServerConfig) -> AsyncIterator[Server]:
    """Run a server in this event loop, and drain it whatever the test finds."""
    server = await Server.start(config)
    try:
        yield server
    finally:
        await server.drain()


@contextmanager
def served(config: EngineConfig, **settings: Any) -> Iterator[str]:
    """Run a server on a free port of this machine, with settings of a `ServerConfig`; yields its address."""
    with _served(config, settings) as server:
        yield server.address


@contextmanager
def served_with_http(config: EngineConfig, **settings: Any) -> Iterator[tuple[str, int]]:
    """Run a server with HTTP, too; yields its address for gRPC, and the port for HTTP."""
    with _served(config, {"http": "127.0.0.1:0", **settings}) as server:
        assert server.http_port is not None
        yield server.address, server.http_port


@contextmanager
def _served(config: EngineConfig, settings: dict[str, Any]) -> Iterator[Server]:
    ready: Future[Server] = Future()
    done = asyncio.Event()
    loop: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loop.append(asyncio.get_running_loop())
        try:
            server = await Server.start(ServerConfig(engine=config, listen="127.0.0.1:0", **settings))
            ready.set_result(server)
            await done.wait()
            await server.drain()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        yield ready.result(timeout=30)
    finally:
        if loop:
            loop[0].call_soon_threadsafe(done.set)
        thread.join(timeout=30)
    assert not thread.is_alive()
