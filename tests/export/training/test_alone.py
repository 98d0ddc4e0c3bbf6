"""A catalogue that nobody has met yet: from its texts to recommendations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.errors import ConfigError, DataError, InvalidInput
from emberline.engine.records import ItemReference, RecommendRequest, RequestOptions, User
from emberline.export import cli
from emberline.export.data.description import Description
from emberline.export.data.reader import read
from emberline.export.data.records import Dataset
from emberline.export.data.split import split
from emberline.export.training.alone import TEXTS_ALONE, possible
from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import Examples
from emberline.export.training.loop import train
from emberline.export.training.run import RunFolder, RunSettings, load_run
from emberline.export.training.trained import TrainedModel
from emberline.export.writer import write_bundle

KINDS = ("tea", "mug", "pot")
DESCRIPTION = """\
name = "shop"
[item]
file = "items.csv"
id = "sku"
labels = ["kind"]
[item.fields]
title = {}
kind = {}
"""
EVENTS = """\
[interaction]
file = "events.csv"
user = "customer"
item = "sku"
positive = "any"
"""


def _write(folder: Path, events: str | None, labels: str = 'labels = ["kind"]') -> Path:
    """A shop of 30 items of three kinds; with the file of events, if that is given."""
    words = ["qqqq", "zzzz", "jjjj"]
    rows = [
        f"{KINDS[row % 3]}-{row:02},{' '.join([words[row % 3]] * (1 + row % 2))} {row},{KINDS[row % 3]}"
        for row in range(30)
    ]
    (folder / "items.csv").write_text("\n".join(["sku,title,kind", *rows]) + "\n", encoding="utf-8")
    description = DESCRIPTION.replace('labels = ["kind"]', labels)
    if events is not None:
        (folder / "events.csv").write_text(events, encoding="utf-8")
        description += EVENTS
    (folder / "shop.toml").write_text(description, encoding="utf-8")
    return folder / "shop.toml"


@pytest.fixture
def shop(tmp_path: Path) -> Dataset:
    """The shop, without interactions."""
    return read(Description.read(_write(tmp_path, None)))[0]


@pytest.mark.parametrize("events", [None, "customer,sku\n"])
def test_a_catalogue_without_interactions_is_read(tmp_path: Path, events: str | None) -> None:
    """The description says nothing of interactions, or their file has no rows yet."""
    dataset, report = read(Description.read(_write(tmp_path, events)))
    assert (len(dataset.items), len(dataset.users), len(dataset.interactions)) == (30, 0, 0)
    assert (report.interactions, report.problems) == (0, ())
    parts = split(dataset, 0)
    assert parts.cold_items.sum() == 6
    assert len(parts.train) == 0


def test_a_file_of_unusable_interactions_stays_an_error(tmp_path: Path) -> None:
    """Rows that are there and say nothing are a mistake, not a new catalogue."""
    with pytest.raises(DataError, match="no interaction is left"):
        read(Description.read(_write(tmp_path, "customer,sku\neve,cup\n")))


def test_too_few_interactions_are_refused_with_the_way_out(tmp_path: Path, config: TrainConfig) -> None:
    """Where no like is left to train on, the error says how to train on texts alone."""
    dataset, _ = read(Description.read(_write(tmp_path, "customer,sku\neve,tea-00\n")))
    cold = next(seed for seed in range(100) if split_leaves_nothing(dataset, seed))
    with pytest.raises(DataError, match=r"no row is left to train on .* leave \[interaction\] out"):
        split(dataset, cold)
    disliked = replace(
        dataset, interactions=replace(dataset.interactions, positive=dataset.interactions.positive & False)
    )
    warm = next(seed for seed in range(100) if not split_leaves_nothing(dataset, seed))
    with pytest.raises(DataError, match=r"no like is left to train on .* leave \[interaction\] out"):
        train(disliked, split(disliked, warm), config, tmp_path / "run")


def split_leaves_nothing(dataset: Dataset, seed: int) -> bool:
    """Whether the only row is held out."""
    try:
        split(dataset, seed)
    except DataError:
        return True
    return False


def test_tasks_without_data_are_off(shop: Dataset, config: TrainConfig) -> None:
    """Of the three tasks attribute prediction is left; without labels none is, and the encoder stays as it is."""
    examples = Examples.of(shop, split(shop, 0))
    assert possible(config, examples) == replace(config, user_task=0, pair_task=0)
    with pytest.raises(ConfigError, match=r"shop has no interactions, .* item_task is 0; give it a weight"):
        possible(replace(config, item_task=0), examples)
    nothing = replace(examples, label_names=(), limit_names=())
    assert possible(config, nothing) == replace(config, user_task=0, pair_task=0, tower_steps=0, joint_steps=0)


def test_settings_are_kept_where_there_is_data(examples: Examples, config: TrainConfig) -> None:
    """With likes, nothing is switched off."""
    assert possible(config, examples) == config


def test_from_texts_to_recommendations(shop: Dataset, config: TrainConfig, tmp_path: Path) -> None:
    """A catalogue without interactions is trained, exported and served: who likes a tea is shown teas."""
    warmed = replace(config, warm_up_steps=4, tower_steps=60, joint_steps=0)
    stages: list[str] = []

    def note(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        stages.append(stage)

    train(shop, split(shop, 0), warmed, tmp_path / "run", note, data_folder=tmp_path)
    assert {"warm-up", "towers", "evaluation"} <= set(stages)
    assert not {"teacher", "final"} & set(stages)
    metrics = json.loads(RunFolder(tmp_path / "run").metrics.read_text(encoding="utf-8"))
    assert metrics["attributes"]["map"] > 0.5
    assert RunSettings.read(RunFolder(tmp_path / "run").config).training.texts_alone

    bundle = write_bundle(load_run(tmp_path / "run"), tmp_path / "bundle", precisions=["fp32"])
    report = json.loads((bundle / "report.json").read_text(encoding="utf-8"))
    assert report["precisions"]["fp32"]["passed"]
    assert report["reference"]["ece"] is None

    async def ask() -> None:
        engine = await Engine.start(EngineConfig(bundle=bundle, catalogue=tmp_path / "live.sqlite", precision="fp32"))
        try:
            liked = User(history=(ItemReference(id="tea-00"),))
            found = await engine.recommend(RecommendRequest(liked, k=5, reasons=True), RequestOptions())
            assert [item.id[:3] for item in found.items] == ["tea"] * 5
            for name in ("probability", "rating"):
                with pytest.raises(InvalidInput, match=f"'{name}' .* trained without"):
                    await engine.recommend(RecommendRequest(liked, outputs=(name,)), RequestOptions())
        finally:
            await engine.drain()

    asyncio.run(ask())


def test_a_catalogue_without_labels_is_served_as_it_comes(config: TrainConfig, tmp_path: Path) -> None:
    """With neither interactions nor labels nothing is trained, and items still lie near what is like them."""
    shop, _ = read(Description.read(_write(tmp_path, None, labels="")))
    trained = train(shop, split(shop, 0), config, tmp_path / "run")
    vectors, biases, attributes = trained.item(trained.encode(shop.item_texts()))
    assert attributes.shape == (30, 0)
    assert (biases == 0).all()
    near = vectors @ vectors[0]
    near[0] = -torch.inf
    assert near.argmax() % 3 == 0


def test_interactions_can_be_put_aside(
    dataset: Dataset, config: TrainConfig, same_model: Callable[[TrainedModel, TrainedModel], None], tmp_path: Path
) -> None:
    """With the tasks that learn from them switched off, other likes give the same model."""
    alone = replace(config, user_task=0, pair_task=0)
    trained = train(dataset, split(dataset, 0), alone, tmp_path / "one")
    likes = dataset.interactions.positive
    other = replace(dataset, interactions=replace(dataset.interactions, positive=~likes))
    changed = train(other, split(other, 0), alone, tmp_path / "other")
    same_model(trained, changed)
    assert trained.model.item_tower.text.weight.any()


@pytest.mark.parametrize("stop", [2, 4, 7, 12])
def test_resumed_it_is_the_same(
    shop: Dataset,
    config: TrainConfig,
    resumed: Callable[..., TrainedModel],
    same_model: Callable[[TrainedModel, TrainedModel], None],
    tmp_path: Path,
    stop: int,
) -> None:
    """Killed in any stage, the warm-up too, and resumed, a run ends as an unbroken one would."""
    often = replace(config, warm_up_steps=3, checkpoint_seconds=0.0)
    parts = split(shop, 0)
    unbroken = train(shop, parts, often, tmp_path / "unbroken")
    same_model(resumed(shop, parts, often, tmp_path / "broken", stop), unbroken)


def test_the_command_says_what_is_off(tmp_path: Path, tiny_bert: Path) -> None:
    """Before training, with the reason and what comes next."""
    application = typer.Typer()
    application.command()(cli.train)
    options = ["--description", str(_write(tmp_path, None)), "--encoder", str(tiny_bert), "--max-length", "64"]
    quick = ["--steps", "0", "--setting", "tower_steps=2", "--threads", "1"]
    done = CliRunner().invoke(application, [str(tmp_path / "run"), *options, *quick], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"shop: {TEXTS_ALONE}" in done.output
