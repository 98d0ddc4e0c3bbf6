import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind, vector_bytes
from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.errors import BundleCorrupt, BundleError, CatalogueError, GateRefused
from emberline.engine.prometheus import PrometheusMetrics
from emberline.engine.records import Item, ItemReference, RecommendRequest, RequestOptions, ScoreRequest, User


async def test_a_failed_gate_is_served_only_on_demand(config: EngineConfig) -> None:
    """A precision that its gate failed is refused, and reported as failed when it is served anyway."""
    refused = EngineConfig(bundle=config.bundle, catalogue=config.catalogue, precision="int8")
    with pytest.raises(GateRefused, match=r"agreement@10 0\.81"):
        await Engine.start(refused)
    allowed = EngineConfig(bundle=config.bundle, catalogue=config.catalogue, precision="int8", allow_failed_gate=True)
    engine = await Engine.start(allowed)
    assert engine.info().gate == "failed"
    await engine.drain()


async def test_a_precision_that_is_not_in_the_bundle_is_named(config: EngineConfig) -> None:
    """The error lists the precisions of the bundle."""
    with pytest.raises(BundleError, match="no encoder in fp16; it has fp32, int8"):
        await Engine.start(EngineConfig(bundle=config.bundle, catalogue=config.catalogue, precision="fp16"))


@pytest.mark.parametrize("name", ["encoder.fp32.onnx", "tokenizer.json", "catalogue.sqlite", "match.onnx"])
async def test_a_bundle_with_a_flipped_byte_is_refused(
    make_tiny_bundle: Callable[[], Path], tmp_path: Path, name: str
) -> None:
    """The error names the file that does not match the manifest."""
    bundle = make_tiny_bundle()
    damaged = bytearray((bundle / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (bundle / name).write_bytes(damaged)
    with pytest.raises(BundleCorrupt, match=f"{name} was altered"):
        await Engine.start(EngineConfig(bundle=bundle, catalogue=tmp_path / "live.sqlite"))
    assert not (tmp_path / "live.sqlite").exists()


async def test_a_bundle_with_a_missing_file_is_refused(make_tiny_bundle: Callable[[], Path]) -> None:
    """The error names the file."""
    bundle = make_tiny_bundle()
    (bundle / "user_tower.onnx").unlink()
    with pytest.raises(BundleCorrupt, match=r"user_tower\.onnx is missing"):
        await Engine.start(EngineConfig(bundle=bundle))


async def test_a_catalogue_of_another_encoder_is_refused(config: EngineConfig, tmp_path: Path) -> None:
    """Vectors of two encoders are not comparable, so a live catalogue of another encoder is refused."""
    EmbeddedCatalogue.create(tmp_path / "live.sqlite", "0" * 64, 16, 8).close()
    with pytest.raises(CatalogueError, match=r"live\.sqlite"):
        await Engine.start(config)


async def test_the_bundle_stays_as_it_is(make_tiny_bundle: Callable[[], Path], tmp_path: Path) -> None:
    """Serving and upserting write to the live catalogue only."""
    bundle = make_tiny_bundle()
    shutil.copytree(bundle, tmp_path / "before")
    engine = await Engine.start(EngineConfig(bundle=bundle))
    await engine.upsert((Item("nova", text="title: Nova"),), RequestOptions())
    await engine.drain()
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "before").iterdir()
    }


@pytest.mark.parametrize("kind", VECTOR_KINDS)
async def test_a_catalogue_of_every_kind_serves(config: EngineConfig, kind: VectorKind) -> None:
    """The seed's items and new ones are recommended and scored nearly as from float32, also after a restart."""
    user = User(profile="age: 25", history=(ItemReference(id="alien"), ItemReference(id="brazil")))
    request = RecommendRequest(user, 6, reasons=True, outputs=("probability", "rating"))
    nova = Item("nova", {"title": "Nova", "genres": ["Sci-Fi"]})
    exact = await Engine.start(replace(config, catalogue=config.live_catalogue.with_name("exact.sqlite")))
    await exact.upsert((nova,), RequestOptions())
    expected = {item.id: item for item in (await exact.recommend(request, RequestOptions())).items}
    await exact.drain()
    for again in (False, True):
        engine = await Engine.start(replace(config, catalogue_vectors=kind), PrometheusMetrics())
        if not again:
            assert (await engine.upsert((nova,), RequestOptions())).inserted == 1
        items = {item.id: item for item in (await engine.recommend(request, RequestOptions())).items}
        assert items.keys() == expected.keys()
        scored = await engine.score(
            ScoreRequest(user, tuple(ItemReference(id=item_id) for item_id in items)), RequestOptions()
        )
        for item, score in zip(items.values(), scored.outputs["score"].tolist(), strict=True):
            assert item.score == pytest.approx(score, abs=1e-4)
            assert item.score == pytest.approx(expected[item.id].score, abs=0.5)
            assert item.attributes == expected[item.id].attributes
        info = engine.info()
        assert info.catalogue_vectors == kind
        assert info.catalogue_bytes == 7 * (vector_bytes(kind, info.hidden) + vector_bytes(kind, info.dimensions))
        assert engine.metrics.registry.get_sample_value("emberline_catalogue_bytes", {"vectors": kind}) == (
            info.catalogue_bytes
        )
        await engine.drain()


async def test_the_error_on_a_smaller_catalogue_names_the_option(config: EngineConfig) -> None:
    """Vectors that were stored as int8 cannot become float32 again."""
    await (await Engine.start(replace(config, catalogue_vectors="int8"))).drain()
    with pytest.raises(CatalogueError, match="--catalogue-vectors int8"):
        await Engine.start(config)
