"""The engine in process: what it has beyond the methods that `tests/engine/client/test_client.py` asks of all four."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from emberline.engine import AsyncEmberline, Emberline, EngineConfig, Item, User
from emberline.engine.errors import BundleError, CatalogueError, ClientClosed, ConfigError

NEW = Item("new", {"title": "Solaris", "genres": ["Sci-Fi"]})
#: What a device without a server need not install.
ABSENT = ("grpc", "google", "prometheus_client", "typer", "rich", "charset_normalizer", "emberline.proto")


@pytest.fixture
def model(config: EngineConfig) -> Iterator[Emberline]:
    """An engine on the tiny bundle."""
    with Emberline(config) as model:
        yield model


def test_nothing_of_servers_and_commands_is_loaded(tiny_bundle: Path) -> None:
    """The engine runs where gRPC, protobuf, Prometheus and the command line's packages cannot be imported."""
    script = f"""
import sys
sys.modules |= dict.fromkeys({ABSENT})
from emberline.engine import Emberline, SentenceEncoder, User, by_id
with Emberline({str(tiny_bundle)!r}) as model:
    assert SentenceEncoder(model).encode("title: Alien").shape == (16,)
    assert len(model.recommend(User(history=(by_id("alien"),)), 3).items) == 3
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_threads_share_batches(config: EngineConfig) -> None:
    """Texts that several threads send at once are encoded together, and each thread gets its own vectors."""
    threads = 8
    with Emberline(replace(config, threads=1, max_cache_bytes=0)) as model, ThreadPoolExecutor(threads) as pool:
        counted: list[int] = []
        model._engine.metrics.batch = lambda texts, *_, **__: counted.append(texts)  # type: ignore[method-assign]
        together = Barrier(threads)

        def ask(number: int) -> np.ndarray:
            together.wait()
            return model.encode([f"text {number} {turn}" for turn in range(20)]).outputs["sentence_embedding"]

        found = list(pool.map(ask, range(threads)))
        assert sum(counted) == threads * 20
        assert max(counted) > 20
        alone = model.encode(["text 3 7"]).outputs["sentence_embedding"][0]
    np.testing.assert_allclose(found[3][7], alone, atol=1e-5)


def test_who_only_asks_writes_nothing(tiny_bundle: Path, config: EngineConfig) -> None:
    """Any number of processes may read one bundle; its items are there, and no file appears."""
    with Emberline(config) as one, Emberline(config) as other:
        assert len(one.recommend(User(profile="x"), 6).items) == len(other.recommend(User(profile="x"), 6).items) == 6
    assert not config.live_catalogue.exists()


def test_the_first_change_creates_the_live_catalogue(config: EngineConfig) -> None:
    """It has the bundle's items and the change, which are there at the next start."""
    with Emberline(config) as model:
        assert model.upsert_items([NEW]).inserted == 1
        assert model.info().catalogue_items == 7
        assert model.delete_items(["alien"]).deleted == 1
    with Emberline(config) as model:
        assert model.get_items(["new", "alien", "brazil"]).unknown_ids == ("alien",)
        assert model.info().catalogue_items == 6


@pytest.mark.parametrize("kind", ["fp16", "int8"])
def test_a_smaller_number_format_is_the_same_before_and_after_the_first_change(config: EngineConfig, kind: str) -> None:
    """Scores do not change when the items move from the bundle to the file."""
    with Emberline(replace(config, catalogue_vectors=kind)) as model:  # type: ignore[arg-type]
        before = [item.score for item in model.recommend(User(profile="x"), 6).items]
        size = model.info().catalogue_bytes
        model.upsert_items([NEW])
        model.delete_items(["new"])
        assert [item.score for item in model.recommend(User(profile="x"), 6).items] == before
    with Emberline(replace(config, catalogue_vectors=kind)) as model:  # type: ignore[arg-type]
        assert [item.score for item in model.recommend(User(profile="x"), 6).items] == pytest.approx(before, abs=1e-6)
        assert model.info().catalogue_bytes == size


def test_a_catalogue_that_another_process_made_meanwhile_is_not_overwritten(config: EngineConfig) -> None:
    """Who opened the bundle before the file was there is told to open it again, and stores nothing."""
    with Emberline(config) as late:
        with Emberline(config) as first:
            first.upsert_items([NEW])
            with pytest.raises(CatalogueError, match=r"another process"):
                late.upsert_items([Item("other", text="x")])
        with pytest.raises(CatalogueError, match="meanwhile"):
            late.upsert_items([Item("other", text="x")])
        assert late.info().catalogue_items == 6
    with Emberline(config) as model:
        assert model.get_items(["new", "other"]).unknown_ids == ("other",)


def test_a_backup_can_be_made_before_the_first_change(model: Emberline, config: EngineConfig, tmp_path: Path) -> None:
    """The copy has the bundle's items."""
    model.backup_catalogue(tmp_path / "copy.sqlite")
    with Emberline(replace(config, catalogue=tmp_path / "copy.sqlite")) as copy:
        assert copy.info().catalogue_items == 6


def test_a_closed_engine_says_so(config: EngineConfig) -> None:
    """Calls after the end, also those of a stream, name the bundle; closing twice does no harm."""
    model = Emberline(config)
    assert model.ready()
    model.close()
    model.close()
    assert not model.ready()
    for call in (model.info, lambda: list(model.encode_stream(["x"]))):
        with pytest.raises(ClientClosed, match=str(config.bundle)):
            call()


async def test_a_closed_engine_says_so_to_asyncio(config: EngineConfig) -> None:
    """The same for the asyncio engine, whether or not it was ever started."""
    for started in (True, False):
        model = AsyncEmberline(config)
        if started:
            await model.info()
        await model.close()
        with pytest.raises(ClientClosed, match=str(config.bundle)):
            await model.info()


async def test_concurrent_first_calls_load_the_model_once(config: EngineConfig) -> None:
    """Calls that come before the model is loaded wait for it."""
    async with asyncio.timeout(30):
        model = AsyncEmberline(config)
        infos = await asyncio.gather(*(model.info() for _ in range(4)))
        assert len({info.uptime > 0 for info in infos}) == 1
        await model.close()


def test_what_is_no_bundle_is_refused_and_leaves_no_thread(tmp_path: Path) -> None:
    """The error is that of loading; the settings' errors come first."""
    with pytest.raises(BundleError, match="is not a bundle"):
        Emberline(tmp_path)
    with pytest.raises(ConfigError, match="timeout is 0"):
        Emberline(tmp_path, timeout=0)


def test_a_forked_process_is_refused(model: Emberline) -> None:
    """The threads stay with the process that opened the model; another one would wait for them for ever."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # nothing of pytest may run here
        try:
            model.info()
        except ClientClosed:
            os.write(write, b"refused")
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"refused"
    assert model.ready()
