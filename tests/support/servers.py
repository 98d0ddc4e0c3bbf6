"""Servers in threads of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from emberline.engine.config import EngineConfig
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import serving


@contextmanager
def served(config: EngineConfig, **settings: Any) -> Iterator[str]:
    """Run a server on a free port of this machine, with settings of a `ServerConfig`; yields its address."""
    ready: Future[str] = Future()
    done = asyncio.Event()
    loop: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loop.append(asyncio.get_running_loop())
        try:
            async with serving(ServerConfig(engine=config, listen="127.0.0.1:0", **settings)) as address:
                ready.set_result(address)
                await done.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    yield ready.result(timeout=30)
    loop[0].call_soon_threadsafe(done.set)
    thread.join(timeout=30)
    assert not thread.is_alive()
