"""Engines that share a catalogue in a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.errors import CatalogueUnavailable
from emberline.engine.records import Item, RequestOptions

OPTIONS = RequestOptions()
NOVA, COMET = Item("nova", {"title": "Nova"}), Item("comet", {"title": "Comet"})


@pytest.fixture
def shared(config: EngineConfig, postgres) -> EngineConfig:
    """The settings of an engine whose catalogue is in a database."""
    return replace(config, catalogue=postgres.schema())


async def _items(engine: Engine, count: int) -> bool:
    """Whether an engine gets to have this many items."""
    for _ in range(400):
        if engine.info().catalogue_items == count:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_what_one_engine_stores_another_one_recommends(shared: EngineConfig) -> None:
    """Two engines on one database have the same items."""
    here, there = await Engine.start(shared), await Engine.start(shared)
    assert (await here.upsert((NOVA,), OPTIONS)).inserted == 1
    assert await _items(there, 7)
    assert (await there.delete(["nova", "nobody"], OPTIONS)).unknown_ids == ("nobody",)
    assert await _items(here, 6)
    await here.drain()
    await there.drain()


async def test_a_model_is_replaced_while_engines_of_both_run(
    shared: EngineConfig, make_tiny_bundle: Callable[..., Path]
) -> None:
    """One of two new engines encodes the items again; the old one keeps answering, and its changes are not lost."""
    old = await Engine.start(shared)
    await old.upsert((NOVA,), OPTIONS)
    new_bundle = make_tiny_bundle("new", seed=2, fingerprint="e" * 64, model_id="tiny-22222222")
    again = replace(shared, bundle=new_bundle, reencode=True)
    new, other = await asyncio.gather(Engine.start(again), Engine.start(again))
    for engine in (new, other):
        assert engine.info().catalogue_items == 7
    before = (await old.get(["nova"], OPTIONS)).items[0]
    after = (await new.get(["nova"], OPTIONS)).items[0]
    assert (before.item, before.updated) == (after.item, after.updated)
    assert before.vector.tolist() != after.vector.tolist()
    with pytest.raises(CatalogueUnavailable, match="has taken this one's place"):
        await old.upsert((COMET,), OPTIONS)
    await new.upsert((COMET,), OPTIONS)
    assert await _items(other, 8)
    for engine in (old, new, other):
        await engine.drain()


async def test_a_reload_finds_what_another_server_has_encoded(
    shared: EngineConfig, make_tiny_bundle: Callable[..., Path]
) -> None:
    """The second server to reload switches to the complete catalogue; changes that were held back go there."""
    bundle = make_tiny_bundle("first")
    config = replace(shared, bundle=bundle)
    engines = [await Engine.start(config), await Engine.start(config)]
    await engines[0].upsert((NOVA,), OPTIONS)
    bundle.rename(bundle.with_name("before"))
    make_tiny_bundle("first", seed=2, fingerprint="e" * 64, model_id="tiny-22222222")
    reloaded = []
    for engine in engines:
        successor = await engine.reloaded()
        await engine.hand_over(successor, lambda: None)
        assert (await engine.upsert((COMET,), OPTIONS)).provenance.model_id == "tiny-22222222"
        await engine.retire()
        reloaded.append(successor)
    for engine in reloaded:
        assert engine.info().catalogue_items == 8
        await engine.drain()
