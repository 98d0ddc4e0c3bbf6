"""A new bundle in the place of the old one: served without a restart, and without a request that fails."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from emberline.engine import AsyncClient, Item, User
from emberline.engine.records import RecommendRequest
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server
from emberline.proto import emberline_pb2 as pb
from emberline.proto import emberline_pb2_grpc


@pytest.fixture
def bundle(make_tiny_bundle: Callable[[], Path]) -> Path:
    """A bundle that the test may replace."""
    return make_tiny_bundle()


@pytest.fixture
def settings(config: ServerConfig, bundle: Path) -> ServerConfig:
    """A server on that bundle."""
    return replace(config, engine=replace(config.engine, bundle=bundle, max_waiting_tokens=10_000))


def _edit(bundle: Path, **fields: Any) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | fields))


async def test_a_reload_under_load_fails_no_call(settings: ServerConfig, bundle: Path) -> None:
    """Sixteen callers ask while the bundle is replaced twice: all are answered, at last by the new model."""
    server = await Server.start(settings)
    ending, models = asyncio.Event(), set()

    async def ask(client: AsyncClient, caller: int) -> None:
        number = 0
        while not ending.is_set():
            result = await client.encode([f"caller {caller} asks {number}"])
            models.add(result.provenance.model_id)
            several = await client.recommend_many([RecommendRequest(User(profile="age: 25"), 2)] * 2)
            assert len({one.provenance.model_id for one in several}) == 1
            number += 1

    async with AsyncClient(server.address, retries=0) as client:
        asking = [asyncio.create_task(ask(client, caller)) for caller in range(16)]
        await client.upsert_items([Item("nova", text="title: Nova")])
        for name in ("second", "third"):
            await asyncio.sleep(0.2)
            _edit(bundle, model_id=name)
            assert await server.reload()
            assert (await client.info()).model_id == name
        await asyncio.sleep(0.2)
        ending.set()
        await asyncio.gather(*asking)
        assert models == {"tiny-00000000", "second", "third"}
        assert (await client.get_items(["nova"])).unknown_ids == ()
        assert (await client.upsert_items([Item("stella", text="title: Stella")])).inserted == 1
    requests = server._engine.metrics.registry.get_sample_value
    assert (requests("emberline_requests_total", {"method": "Encode", "code": "OK"}) or 0) > 16
    assert await server.drain()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda bundle: (bundle / "match.onnx").write_bytes(b""), "was altered"),
        (lambda bundle: _edit(bundle, fingerprint="e" * 64), "made by another encoder"),
        (lambda bundle: (bundle / "manifest.json").unlink(), "is not a bundle"),
    ],
)
async def test_a_bundle_that_cannot_be_served_changes_nothing(
    settings: ServerConfig,
    bundle: Path,
    damage: Callable[[Path], object],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The old one stays, and the log says why."""
    server = await Server.start(settings)
    damage(bundle)
    with caplog.at_level(logging.ERROR):
        assert not await server.reload()
    assert reason in caplog.text
    async with AsyncClient(server.address) as client:
        assert (await client.info()).model_id == "tiny-00000000"
        assert (await client.encode(["hello"])).provenance.model_id == "tiny-00000000"
        assert (await client.upsert_items([Item("nova", text="title: Nova")])).inserted == 1
    assert await server.drain()


def test_sighup_reloads_and_does_not_end_the_server(start: Callable[..., Any]) -> None:
    """The signal reloads; calls are answered meanwhile and after it; SIGTERM then ends the server as ever."""
    process = start()
    hello = pb.EncodeRequest(inputs=[pb.Input(text="hello")])
    with grpc.insecure_channel(process.address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        before = stub.Encode(hello).outputs["sentence_embedding"].data
        process.signal(signal.SIGHUP)
        for _ in range(50):
            assert stub.Encode(hello).outputs["sentence_embedding"].data == before
    process.signal(signal.SIGTERM)
    code, errors = process.end()
    assert code == 0
    assert "reloaded: serving tiny-00000000" in errors
