"""Several models on one server: loaded, named, drawn for a share of the requests, and unloaded."""

from __future__ import annotations

import asyncio
import collections
import gc
import shutil
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest

from emberline.engine import AsyncClient, Client, InvalidInput, Item, PermissionDenied, UnknownModel, User
from emberline.engine.errors import BundleError, ConfigError, EmberlineError
from emberline.engine.server import memory
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server, serving
from emberline.engine.server.models import Models, Traffic

DEFAULT, OTHER = "tiny-00000000", "other-00000000"


@pytest.fixture
def folder(make_tiny_bundle: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder of models with one that has another encoder."""
    make_tiny_bundle("models/other", seed=7, fingerprint="e" * 64, model_id=OTHER)
    return tmp_path / "models"


@pytest.fixture
async def server(config: ServerConfig, folder: Path) -> AsyncIterator[Server]:
    """A server that may load it."""
    server = await Server.start(replace(config, models=folder))
    yield server
    await server.drain()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncClient]:
    """A client that names no model."""
    async with AsyncClient(server.address, retries=0) as client:
        yield client


@pytest.fixture
async def named(server: Server) -> AsyncIterator[AsyncClient]:
    """A client that names the other model."""
    async with AsyncClient(server.address, model="other", retries=0) as client:
        yield client


def count(server: Server, model: str, **labels: str) -> float:
    """Requests of a model, by its metrics."""
    registry = server._models.get(model).metrics.registry
    return registry.get_sample_value("emberline_requests_total", labels) or 0.0


async def test_a_request_names_its_model(client: AsyncClient, named: AsyncClient, config: ServerConfig) -> None:
    """Each model answers by itself and has a catalogue of its own; one that is not loaded is named in the error."""
    with pytest.raises(UnknownModel, match="no model 'other' is loaded"):
        await named.encode(["hello"])
    loaded = await client.load_model("other")
    assert [(model.name, model.model_id) for model in loaded] == [("", DEFAULT), ("other", OTHER)]
    default, other = await client.encode(["hello"]), await named.encode(["hello"])
    assert (default.provenance.model_id, other.provenance.model_id) == (DEFAULT, OTHER)
    assert not np.allclose(default.outputs["sentence_embedding"], other.outputs["sentence_embedding"])
    streamed = [part.provenance.model_id async for part in named.encode_stream(["one", "two"], part=1)]
    assert streamed == [OTHER, OTHER]
    await named.upsert_items([Item("nova", text="title: Nova")])
    assert (await client.get_items(["nova"])).unknown_ids == ("nova",)
    assert (await named.info()).catalogue_items == 7
    assert [model.catalogue_items for model in await client.list_models()] == [6, 7]

    assert len(await client.unload_model("other")) == 1
    for call in (named.encode(["hello"]), named.info(), client.unload_model("other")):
        with pytest.raises(UnknownModel):
            await call
    assert (await client.encode(["hello"])).provenance.model_id == DEFAULT
    assert config.engine.live_catalogue.with_name("live.other.sqlite").exists()
    await client.load_model("other")
    assert (await named.get_items(["nova"])).unknown_ids == ()


async def test_an_unloaded_model_gives_its_memory_back(server: Server, client: AsyncClient, named: AsyncClient) -> None:
    """Nothing holds its engine, its sessions, its heads or its catalogue any more."""
    await client.load_model("other")
    await named.recommend(User(profile="age: 25"), k=2)
    engine = server._models.get("other")
    held = (engine, engine._placement.session, engine._scorer, engine._catalogue, engine._encoder._batcher)
    ends = [weakref.ref(part) for part in held]
    del engine, held
    await client.unload_model("other")
    assert [end() for end in ends] == [None] * len(ends)


async def test_a_model_that_was_exempt_from_collection_gives_its_memory_back(
    server: Server, client: AsyncClient
) -> None:
    """A server exempts all that it has loaded; loading a model again and unloading it free the old one all the same."""
    await client.load_model("other")
    for change in (client.load_model, client.unload_model):
        memory.settle()
        try:
            end = weakref.ref(server._models.get("other"))
            await change("other")
            assert end() is None
            assert gc.get_freeze_count()
        finally:
            gc.unfreeze()


async def test_unloading_answers_what_was_accepted(
    server: Server, client: AsyncClient, named: AsyncClient, gate: Any
) -> None:
    """A request of the model that runs is answered; later ones are refused."""
    await client.load_model("other")
    gate.shut()
    running = asyncio.create_task(named.encode(["hello"]))
    assert await asyncio.to_thread(gate.reached.wait, 30)
    unloading = asyncio.create_task(client.unload_model("other"))
    while "other" in server._models._engines:
        await asyncio.sleep(0.01)
    with pytest.raises(UnknownModel):
        await named.encode(["hello"])
    assert not unloading.done()
    gate.open()
    assert (await running).provenance.model_id == OTHER
    await unloading


async def test_a_model_can_get_the_defaults_items(client: AsyncClient, named: AsyncClient) -> None:
    """With `items`, it has what the default's catalogue has, with its own vectors."""
    await client.upsert_items([Item("nova", text="title: Nova")])
    await client.load_model("other", items=True)
    (stored,) = (await named.get_items(["nova"], vectors=True)).items
    (vector,) = (await named.encode(["title: Nova"])).outputs["sentence_embedding"]
    np.testing.assert_allclose(stored.embedding, vector, atol=1e-5)


async def test_loading_again_takes_the_new_bundle(
    client: AsyncClient, named: AsyncClient, folder: Path, make_tiny_bundle: Callable[..., Path]
) -> None:
    """A model whose folder was replaced is loaded beside itself and switched; its items are encoded again."""
    await client.load_model("other")
    await named.upsert_items([Item("nova", text="title: Nova")])
    shutil.rmtree(folder / "other")
    make_tiny_bundle("models/other", seed=9, fingerprint="d" * 64, model_id="newer")
    ending = asyncio.Event()

    async def ask() -> collections.Counter[str]:
        seen = collections.Counter[str]()
        while not ending.is_set():
            seen[(await named.encode(["hello"])).provenance.model_id] += 1
        return seen

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0.05)
    await client.load_model("other")
    await named.encode(["hello"])
    ending.set()
    assert (await asking).keys() <= {OTHER, "newer"}
    assert (await named.info()).model_id == "newer"
    assert (await named.get_items(["nova"])).unknown_ids == ()


async def test_a_share_of_the_requests_goes_to_a_model(server: Server, client: AsyncClient, named: AsyncClient) -> None:
    """Requests that name no model are split; changes and those that name one are not. Each model counts its own."""
    await client.load_model("other")
    server._models._random = Random(3)
    (_, other) = await client.route_model("other", share=0.3)
    assert (other.share, other.shadow) == (0.3, 0.0)
    for number in range(40):
        await client.encode([f"hello {number}"])
        await client.upsert_items([Item("nova", text="title: Nova")])
    answered = [count(server, name, method="Encode", code="OK") for name in ("", "other")]
    assert sum(answered) == 40
    assert 4 < answered[1] < 20
    assert count(server, "other", method="UpsertItems", code="OK") == 0
    shares = collections.Counter([part.provenance.model_id async for part in client.encode_stream(["a"] * 40, part=1)])
    assert shares.keys() == {DEFAULT, OTHER}
    await client.route_model("other", share=1.0)
    assert (await client.recommend(User(), k=1)).provenance.model_id == OTHER
    await client.route_model("other")
    assert (await client.recommend(User(), k=1)).provenance.model_id == DEFAULT


async def test_a_shadow_gets_copies_and_answers_nobody(
    server: Server, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default answers all; the other model answers copies, by its metrics, and its failures are its own."""
    await client.load_model("other")
    await client.route_model("other", shadow=1.0)
    for number in range(5):
        assert (await client.encode([f"hello {number}"])).provenance.model_id == DEFAULT
    for _ in range(200):
        if not server._models._shadows:
            break
        await asyncio.sleep(0.01)
    assert count(server, "other", method="Encode", code="OK") == 5
    assert count(server, "", method="Encode", code="OK") == 5
    monkeypatch.setattr(server._models.get("other"), "encode", lambda *_: 1 / 0)
    assert (await client.encode(["hello"])).provenance.model_id == DEFAULT
    await asyncio.sleep(0.05)
    assert count(server, "other", method="Encode", code="INTERNAL") == 1


async def test_a_slow_shadow_holds_up_nothing(
    server: Server, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies beyond a few at a time are left out, and do not hold up the end of the server."""
    await client.load_model("other")
    await client.route_model("other", shadow=1.0)
    monkeypatch.setattr(server._models.get("other"), "encode", lambda *_: asyncio.Event().wait())
    for number in range(30):
        await client.encode([f"hello {number}"])
    assert len(server._models._shadows) == 16
    await client.unload_model("other")
    assert not server._models._shadows


async def test_a_caller_who_leaves_does_not_stop_a_change(server: Server, client: AsyncClient) -> None:
    """A model whose loading or unloading nobody waits for is loaded and unloaded all the same, and can be again."""
    models = server._models
    for _ in range(2):
        for change, count in ((models.load, 2), (models.unload, 1)):
            caller = asyncio.create_task(change("other"))
            while not models._changing.locked():
                await asyncio.sleep(0)
            caller.cancel()
            async with asyncio.timeout(30):
                while models._changes:
                    await asyncio.sleep(0.02)
            assert len(await client.list_models()) == count


async def test_metrics_are_by_model(server: Server, client: AsyncClient, named: AsyncClient) -> None:
    """One exposition has the metrics of all models; those of named ones have a label."""
    await client.load_model("other")
    await client.encode(["hello"])
    await named.encode(["hello"])
    lines = generate_latest(server._models).decode().splitlines()  # type: ignore[arg-type]
    assert 'emberline_requests_total{code="OK",method="Encode"} 1.0' in lines
    assert 'emberline_requests_total{code="OK",method="Encode",model="other"} 1.0' in lines
    assert "emberline_catalogue_items 6.0" in lines
    assert 'emberline_catalogue_items{model="other"} 6.0' in lines
    assert lines.count("# TYPE emberline_requests_total counter") == 1


@pytest.mark.parametrize(
    ("call", "error", "reason"),
    [
        (lambda client: client.load_model("../other"), InvalidInput, "is '../other'"),
        (lambda client: client.load_model(""), InvalidInput, "is ''"),
        (lambda client: client.load_model("missing"), EmberlineError, "missing"),
        (lambda client: client.unload_model(""), InvalidInput, "the default model is unloaded with the server"),
        (lambda client: client.route_model("", share=0.5), InvalidInput, "gets what the others leave"),
        (lambda client: client.route_model("missing", share=0.5), UnknownModel, "no model 'missing'"),
        (lambda client: client.route_model("other", share=1.5), InvalidInput, "is 1.5; it must be from 0 to 1"),
        (lambda client: client.route_model("other", shadow=float("nan")), InvalidInput, "is nan"),
    ],
)
async def test_what_cannot_be_is_refused(
    client: AsyncClient, call: Callable[[AsyncClient], Any], error: type[Exception], reason: str
) -> None:
    """The error says what is wrong; nothing changes."""
    before = await client.load_model("other")
    with pytest.raises(error, match=reason):
        await call(client)
    assert await client.list_models() == before


async def test_only_admins_change_models(config: ServerConfig, folder: Path, tmp_path: Path) -> None:
    """Without a folder of models nobody does; with tokens only those of the scope admin do."""
    async with serving(config) as address, AsyncClient(address) as client:
        with pytest.raises(PermissionDenied, match="loads no models; start it with --models"):
            await client.load_model("other")
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[token]]\nname = "shop"\nscopes = ["read", "write"]\ntoken = "{"s" * 20}"\n')
    settings = replace(config, models=folder, tokens=tokens)
    async with serving(settings) as address, AsyncClient(address, token="s" * 20) as client:
        for call in (client.load_model("other"), client.unload_model("other"), client.route_model("other")):
            with pytest.raises(PermissionDenied, match="no scope admin"):
                await call
        assert len(await client.list_models()) == 1


def test_shares_add_up(config: ServerConfig) -> None:
    """Models are drawn by their shares; all together have no more than all requests."""
    engine: Any = object()
    models = Models(engine, config.engine, None, Random(1))
    models._engines |= {"a": engine, "b": engine}
    assert {models.choose() for _ in range(100)} == {""}
    models.route("a", Traffic(share=0.5))
    models.route("b", Traffic(share=0.3))
    drawn = collections.Counter(models.choose() for _ in range(2000))
    assert 900 < drawn["a"] < 1100
    assert 500 < drawn["b"] < 700
    with pytest.raises(InvalidInput, match=r"other models have 0\.5; together at most 1"):
        models.route("b", Traffic(share=0.6))
    models.route("a", Traffic(share=0.7))
    assert {models.choose() for _ in range(100)} == {"a", "b"}


async def test_a_model_that_cannot_get_the_items_is_not_loaded(
    server: Server, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure on the way leaves nothing loaded and no file locked."""

    async def refuse(*_: object) -> None:
        raise BundleError("no")

    with monkeypatch.context() as patch:
        patch.setattr("emberline.engine.engine.Engine.adopt_items", refuse)
        with pytest.raises(EmberlineError):
            await client.load_model("other", items=True)
    assert len(await client.list_models()) == 1
    assert len(await client.load_model("other")) == 2


def test_a_models_name_fits_a_header() -> None:
    """A name that no header can have is refused by the client."""
    with pytest.raises(ConfigError, match="model is 'ä'"):
        Client("127.0.0.1:1", model="ä")
