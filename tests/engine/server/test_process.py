"""The server as a process: what it does on signals, and when its bundle's folder is replaced."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emberline.engine import AsyncClient
from emberline.engine.server import lifecycle, process
from emberline.engine.server.config import ServerConfig


def _rename(bundle: Path, name: str) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"model_id": name}))


def test_the_limit_of_open_files_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as it is useful and allowed, and never lowered."""
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(process.resource, "setrlimit", lambda _, given: limits.append(given))
    infinite = process.resource.RLIM_INFINITY
    for limit in ((1024, 4096), (1024, 2**20), (1024, infinite), (2**20, 2**20), (infinite, infinite), (4096, 4096)):
        monkeypatch.setattr(process.resource, "getrlimit", lambda _, limit=limit: limit)
        process._allow_open_files()
    assert limits == [(4096, 4096), (65_536, 2**20), (65_536, infinite)]


async def _until_it_serves(client: AsyncClient, name: str) -> None:
    async with asyncio.timeout(30):
        while (await client.info()).model_id != name:
            await asyncio.sleep(0.05)


async def test_reloads_come_by_signal_at_any_time_or_by_a_watched_folder(
    config: ServerConfig, make_tiny_bundle: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGHUP while it starts is no end; one that fails unforeseen is not the last; SIGTERM ends it well."""
    bundle = make_tiny_bundle()
    config = replace(config, engine=replace(config.engine, bundle=bundle), watch_seconds=0.1)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(process._serve(config, lambda line: address.set_result(line.rpartition(" ")[2])))
    try:
        await asyncio.sleep(0)
        assert not address.done()
        os.kill(os.getpid(), signal.SIGHUP)
        async with AsyncClient(await address) as client:
            _rename(bundle, "watched")
            await _until_it_serves(client, "watched")

            async def fail(_: object) -> None:
                raise OSError("unforeseen")

            with monkeypatch.context() as context:
                context.setattr(lifecycle.Models, "reload_default", fail)
                os.kill(os.getpid(), signal.SIGHUP)
                await asyncio.sleep(0.1)
            _rename(bundle, "again")
            os.kill(os.getpid(), signal.SIGHUP)
            await _until_it_serves(client, "again")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await serving == 0
    finally:
        gc.unfreeze()
