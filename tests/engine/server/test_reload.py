"""A new bundle in the place of the old one: served without a restart, and without a request that fails."""

from __future__ import annotations

import asyncio
import collections
import json
import logging
import shutil
import signal
import sqlite3
import uuid
import weakref
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from emberline.engine import AsyncClient, Item, User
from emberline.engine.errors import CatalogueError
from emberline.engine.records import RecommendRequest
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server
from emberline.engine.text.rendering import render
from emberline.proto import emberline_pb2 as pb
from emberline.proto import emberline_pb2_grpc

#: The ids of the tiny bundle's items.
FILMS = ("alien", "airplane", "the-thing", "brazil", "clueless", "scream")


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


@pytest.fixture
def other(make_tiny_bundle: Callable[..., Path]) -> Path:
    """A bundle with another encoder."""
    return make_tiny_bundle("other", seed=7, fingerprint="e" * 64, model_id="other-00000000")


def _replace(bundle: Path, other: Path) -> None:
    shutil.rmtree(bundle)
    shutil.copytree(other, bundle)


async def _vector(client: AsyncClient, text: str) -> Any:
    return (await client.encode([text])).outputs["sentence_embedding"][0]


async def test_another_encoder_encodes_the_catalogue_again_and_loses_nothing(
    settings: ServerConfig, bundle: Path, other: Path
) -> None:
    """Callers ask, upsert and delete all the time; no call fails, and no answer mixes vectors of two models.

    At the end, the catalogue has every item whose upsert was acknowledged and not its deletion, each with the vector
    that the new model gives its text.
    """
    server = await Server.start(settings)
    ending, expected = asyncio.Event(), dict.fromkeys(FILMS, "")
    counts = collections.Counter[str]()

    async def ask(client: AsyncClient, models: dict[str, Any]) -> None:
        while not ending.is_set():
            result = await client.encode(["hello there"])
            name, vector = result.provenance.model_id, result.outputs["sentence_embedding"][0]
            np.testing.assert_allclose(vector, models.setdefault(name, vector), atol=1e-5)
            recommended = await client.recommend(User(profile="age: 25"), k=5)
            counts[recommended.provenance.model_id] += 1

    async def change(client: AsyncClient, caller: int) -> None:
        number = 0
        while not ending.is_set():
            item_id = f"{caller}-{number % 7}"
            if number % 5 == 4:
                await client.delete_items([item_id])
                expected.pop(item_id, None)
            else:
                await client.upsert_items([Item(item_id, text=f"title: nova {number}")])
                expected[item_id] = f"title: nova {number}"
            number += 1
            counts["changes"] += 1

    async with AsyncClient(server.address, retries=0) as client:
        models: dict[str, Any] = {}
        many = [Item(f"many-{number}", text=f"title: many {number}") for number in range(200)]
        await client.upsert_items(many)
        expected |= {item.id: item.text for item in many}
        before = (await client.get_items(["many-7", "alien"], vectors=True)).items
        tasks = [asyncio.create_task(ask(client, models)) for _ in range(4)]
        tasks += [asyncio.create_task(change(client, caller)) for caller in range(4)]
        await asyncio.sleep(0.2)
        _replace(bundle, other)
        assert await server.reload()
        changes = counts["changes"]
        while counts["other-00000000"] < 5 or counts["changes"] < changes + 5:
            done, _ = await asyncio.wait(tasks, timeout=0.01)
            assert not done, [task.result() for task in done]
        ending.set()
        await asyncio.gather(*tasks)
        assert models.keys() == {"tiny-00000000", "other-00000000"}
        assert changes > 5
        assert (await client.info()).fingerprint == "e" * 64
        found = await client.get_items(list(expected), vectors=True)
        assert found.unknown_ids == ()
        assert (await client.info()).catalogue_items == len(expected)
        for stored in found.items:
            text = expected[stored.item.id] or render(stored.item.attributes, ("title", "year", "genres"))
            np.testing.assert_allclose(stored.embedding, await _vector(client, text), atol=1e-5)
        after = (await client.get_items(["many-7", "alien"], vectors=True)).items
        assert [stored.updated for stored in after] == [stored.updated for stored in before]
        assert not np.allclose(after[0].embedding, before[0].embedding)
    assert await server.drain()
    assert [path.name for path in settings.engine.live_catalogue.parent.glob("live.sqlite*")] == ["live.sqlite"]
    again = await Server.start(settings)  # the file is the new model's
    assert f"with {len(expected)} items" in again.description
    await again.drain()


async def test_the_old_model_gives_its_memory_back(settings: ServerConfig, bundle: Path, other: Path) -> None:
    """After a reload nothing holds the old engine, its sessions, its heads or its catalogue any more."""
    server = await Server.start(settings)
    for _ in range(2):
        engine = server._engine
        held = (engine, engine._placement.session, engine._scorer, engine._catalogue, engine._encoder._batcher)
        ends = [weakref.ref(part) for part in held]
        del engine, held
        _replace(bundle, other)
        _edit(bundle, fingerprint=uuid.uuid4().hex * 2)
        assert await server.reload()
        async with AsyncClient(server.address) as client:
            await client.encode(["hello"])
        assert [end() for end in ends] == [None] * len(ends)
    await server.drain()


async def test_a_drain_does_not_wait_for_a_long_reload(
    settings: ServerConfig, bundle: Path, other: Path, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A reload in the midst of encoding the catalogue again is given up; its file is removed, the old one is whole."""
    server = await Server.start(settings)
    async with AsyncClient(server.address) as client:
        await client.upsert_items([Item(f"many-{number}", text=f"title: many {number}") for number in range(100)])
    _replace(bundle, other)
    gate.shut()
    reloading = asyncio.create_task(server.reload())
    draining = None
    while not (settings.engine.live_catalogue.parent / "live.sqlite.reloading").exists():
        gate.open()  # the warm-up goes through it, too
        await asyncio.sleep(0)
        gate.shut()
    assert await asyncio.to_thread(gate.reached.wait, 30)
    draining = asyncio.create_task(server.drain())
    await asyncio.sleep(0.05)
    gate.open()
    with caplog.at_level(logging.ERROR):
        assert not await reloading
        await draining
    assert "shutting down" in caplog.text
    assert [path.name for path in settings.engine.live_catalogue.parent.glob("live.sqlite*")] == ["live.sqlite"]
    with closing(sqlite3.connect(settings.engine.live_catalogue)) as file:
        assert file.execute("SELECT count(*) FROM items").fetchone() == (106,)
        assert file.execute("SELECT value FROM meta WHERE name = 'fingerprint'").fetchone() == ("f" * 64,)


async def test_a_catalogue_that_cannot_be_moved_stays(
    settings: ServerConfig, bundle: Path, other: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When the new file cannot take the old one's place, the old model serves on, and its changes are durable."""
    server = await Server.start(settings)
    _replace(bundle, other)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(Path, "replace", refuse)
        assert not await server.reload()
    assert "cannot be replaced (No space left on device)" in caplog.text
    async with AsyncClient(server.address) as client:
        assert (await client.encode(["hello"])).provenance.model_id == "tiny-00000000"
        assert (await client.upsert_items([Item("nova", text="title: Nova")])).inserted == 1
    assert await server.drain()
    with closing(sqlite3.connect(settings.engine.live_catalogue)) as file:
        assert file.execute("SELECT count(*) FROM items").fetchone() == (7,)
    assert not list(settings.engine.live_catalogue.parent.glob("*.reloading*"))


async def test_a_start_can_encode_the_catalogue_again(settings: ServerConfig, bundle: Path, other: Path) -> None:
    """Where the bundle was replaced while no server ran: refused with the way out, or encoded again on demand."""
    server = await Server.start(settings)
    async with AsyncClient(server.address) as client:
        await client.upsert_items([Item("nova", text="title: Nova")])
        before = (await client.get_items(["nova"], vectors=True)).items[0]
    await server.drain()
    _replace(bundle, other)
    with pytest.raises(CatalogueError, match=r"made by another encoder .*; start with --reencode"):
        await Server.start(settings)
    again = replace(settings, engine=replace(settings.engine, reencode=True))
    for _ in range(2):  # the second time there is nothing to do
        server = await Server.start(again)
        async with AsyncClient(server.address) as client:
            assert (await client.info()).catalogue_items == 7
            after = (await client.get_items(["nova"], vectors=True)).items[0]
            np.testing.assert_allclose(after.embedding, await _vector(client, "title: Nova"), atol=1e-5)
            assert after.updated == before.updated
        await server.drain()
    assert not np.allclose(after.embedding, before.embedding)
    assert [path.name for path in settings.engine.live_catalogue.parent.glob("live.sqlite*")] == ["live.sqlite"]
    await (await Server.start(settings)).drain()


async def test_a_start_that_cannot_encode_again_leaves_the_catalogue(
    settings: ServerConfig, bundle: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays the old encoder's, unlocked, and nothing lies beside it."""
    await (await Server.start(settings)).drain()
    _replace(bundle, other)
    again = replace(settings, engine=replace(settings.engine, reencode=True))
    with monkeypatch.context() as patch:
        patch.setattr("emberline.engine.engine.Engine._reencode", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await Server.start(again)
    assert [path.name for path in settings.engine.live_catalogue.parent.glob("live.sqlite*")] == ["live.sqlite"]
    await (await Server.start(again)).drain()
