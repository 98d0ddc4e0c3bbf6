"""An engine on the tiny bundle."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import serving


@pytest.fixture
def config(tiny_bundle: Path, tmp_path: Path) -> EngineConfig:
    """The tiny bundle with a live catalogue of the test's own."""
    return EngineConfig(bundle=tiny_bundle, catalogue=tmp_path / "live.sqlite", threads=2, max_inputs=64)


@pytest.fixture
async def engine(config: EngineConfig) -> AsyncIterator[Engine]:
    """An engine that runs."""
    engine = await Engine.start(config)
    yield engine
    await engine.drain()


@pytest.fixture
def address(config: EngineConfig) -> Iterator[str]:
    """Where a server listens that runs in a thread of its own."""
    ready: Future[str] = Future()
    done = asyncio.Event()
    loop: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loop.append(asyncio.get_running_loop())
        try:
            async with serving(ServerConfig(engine=config, listen="127.0.0.1:0")) as address:
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
