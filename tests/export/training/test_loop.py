from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emberline.engine.errors import ConfigError, DataError
from emberline.engine.records import Item
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.training import loop
from emberline.export.training.config import TrainConfig
from emberline.export.training.loop import train
from emberline.export.training.run import RunFolder
from emberline.export.training.trained import TrainedModel


class KilledAtStep(Exception):
    """Stands in for a kill: nothing of the trainer's runs after it."""


@pytest.fixture(scope="module")
def unbroken(
    dataset: Dataset, parts: Split, config: TrainConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedModel, RunFolder]:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("unbroken")
    return train(dataset, parts, config, folder), RunFolder(folder)


def test_a_run_leaves_its_folder(
    unbroken: tuple[TrainedModel, RunFolder], dataset: Dataset, same_model: Callable[[TrainedModel, TrainedModel], None]
) -> None:
    """Settings, description, model, events, curves and metrics are all there."""
    trained, folder = unbroken
    assert folder.description.read_text(encoding="utf-8") == dataset.description.toml
    assert folder.curves.read_bytes().startswith(b"\x89PNG")
    assert list(folder.events.glob("events.out.tfevents.*"))
    metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
    assert {"validation", "item cold", "warm", "user cold, 0 known", "behaviour", "attributes", "training"} <= set(
        metrics
    )
    assert metrics["training"]["joint_steps"] == 6
    assert not metrics["training"]["cut"]
    same_model(TrainedModel.load(folder.model), trained)


def test_word_pieces_that_the_data_does_not_need_are_left_out(
    dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path
) -> None:
    """The run's model is smaller, reads the data as the whole encoder does, and the folder says what was kept."""
    with_all = train(dataset, parts, replace(config, joint_steps=0), tmp_path / "all")
    trained = train(dataset, parts, replace(config, joint_steps=0, vocabulary=60), tmp_path / "some")
    kept = json.loads(RunFolder(tmp_path / "some").vocabulary.read_text())
    assert kept["kept"] == trained.model.config.encoder["vocab_size"] < with_all.model.config.encoder["vocab_size"]
    assert kept["needed"] <= 60 <= kept["kept"]
    assert not RunFolder(tmp_path / "all").vocabulary.exists()
    width = with_all.model.config.hidden  # the wide part behind it is free to turn
    found, wanted = (model.encode(dataset.item_texts())[:, :width] for model in (trained, with_all))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_start_that_fails_leaves_no_run(
    dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path, tiny_bert: Path
) -> None:
    """An encoder that cannot be loaded claims no folder, and the corrected call works in the same one."""
    run = tmp_path / "run"
    with pytest.raises(DataError, match="no pretrained BERT can be loaded"):
        train(dataset, parts, replace(config, encoder=str(tmp_path / "nowhere")), run)
    assert not run.exists()
    train(dataset, parts, config, run)
    assert RunFolder(run).model.is_dir()


def test_again_deletes_a_run_only_when_all_is_loaded(
    dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path
) -> None:
    """A run survives a second start that fails, and one that succeeds takes its place."""
    run = RunFolder(tmp_path / "run")
    run.root.mkdir()
    run.config.write_text("{}")
    (run.root / "old").touch()
    with pytest.raises(DataError, match="no pretrained BERT can be loaded"):
        train(dataset, parts, replace(config, encoder=str(tmp_path)), run.root, again=True)
    assert (run.root / "old").exists()
    train(dataset, parts, config, run.root, again=True)
    assert run.model.is_dir()
    assert not (run.root / "old").exists()


def test_a_folder_that_cannot_be_written_is_named(
    dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path
) -> None:
    """A file in the run's place is named, and left alone."""
    (tmp_path / "run").touch()
    with pytest.raises(ConfigError, match=r"run cannot be written to .*; choose another folder"):
        train(dataset, parts, config, tmp_path / "run")


def test_every_part_learns(unbroken: tuple[TrainedModel, RunFolder], config: TrainConfig) -> None:
    """Encoder, towers and heads all differ from an untrained model's."""
    trained, _ = unbroken
    fresh = type(trained.model)(trained.model.config)
    untouched = [
        name
        for name, weight in trained.model.named_parameters()
        if torch.equal(weight, fresh.state_dict()[name]) and not name.endswith(("bias", "LayerNorm.weight"))
    ]
    assert untouched == []
    assert trained.model.item_tower.values.abs().sum() > 0


def test_the_same_seed_gives_the_same_model(
    unbroken: tuple[TrainedModel, RunFolder],
    dataset: Dataset,
    parts: Split,
    config: TrainConfig,
    tmp_path: Path,
    same_model: Callable[[TrainedModel, TrainedModel], None],
) -> None:
    """Bit for bit; another seed gives another."""
    same_model(train(dataset, parts, config, tmp_path / "again"), unbroken[0])
    other = train(dataset, parts, replace(config, seed=1), tmp_path / "other")
    assert not torch.equal(other.model.item_tower.text.weight, unbroken[0].model.item_tower.text.weight)


@pytest.mark.parametrize("stop", [1, 4, 5, 8, 10, 12])
def test_a_resumed_run_gives_the_same_model(
    unbroken: tuple[TrainedModel, RunFolder],
    dataset: Dataset,
    parts: Split,
    config: TrainConfig,
    resumed: Callable[..., TrainedModel],
    same_model: Callable[[TrainedModel, TrainedModel], None],
    tmp_path: Path,
    stop: int,
) -> None:
    """Killed after any step of any stage and resumed from its last checkpoint, a run ends as an unbroken one would."""
    same_model(resumed(dataset, parts, config, tmp_path, stop), unbroken[0])
    metrics = json.loads(RunFolder(tmp_path).metrics.read_text(encoding="utf-8"))
    assert metrics["training"]["joint_steps"] == config.joint_steps


def test_a_run_killed_before_its_first_checkpoint_starts_anew(
    unbroken: tuple[TrainedModel, RunFolder],
    dataset: Dataset,
    parts: Split,
    config: TrainConfig,
    tmp_path: Path,
    same_model: Callable[[TrainedModel, TrainedModel], None],
) -> None:
    """Resuming without a checkpoint begins at the beginning, with the same result."""

    def kill(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        if values:
            raise KilledAtStep

    with pytest.raises(KilledAtStep):
        train(dataset, parts, config, tmp_path, kill)
    same_model(train(dataset, parts, config, tmp_path, resume=True), unbroken[0])


def test_a_run_is_not_overwritten(
    unbroken: tuple[TrainedModel, RunFolder], dataset: Dataset, parts: Split, config: TrainConfig
) -> None:
    """Training into a folder that holds a run is refused, and says how to go on."""
    with pytest.raises(ConfigError, match="holds a run already; go on with it with --resume, replace it with --again"):
        train(dataset, parts, config, unbroken[1].root)


def test_two_trainings_do_not_share_a_folder(
    dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that begins while another one still loads its encoder keeps the folder; the later one is refused."""

    def load_slowly(*given: object) -> object:
        (tmp_path / "config.json").write_text("of the other")
        return None

    monkeypatch.setattr(loop, "load", load_slowly)
    with pytest.raises(ConfigError, match="holds a run already"):
        train(dataset, parts, config, tmp_path)
    assert (tmp_path / "config.json").read_text() == "of the other"


def test_other_settings_cannot_be_resumed(
    unbroken: tuple[TrainedModel, RunFolder], dataset: Dataset, parts: Split, config: TrainConfig
) -> None:
    """The error names each setting that differs, with both values."""
    with pytest.raises(ConfigError, match=r"users: 12, 13"):
        train(dataset, parts, replace(config, users=13), unbroken[1].root, resume=True)


def test_held_out_items_do_not_change_the_model(
    unbroken: tuple[TrainedModel, RunFolder],
    dataset: Dataset,
    parts: Split,
    config: TrainConfig,
    tmp_path: Path,
    same_model: Callable[[TrainedModel, TrainedModel], None],
) -> None:
    """Other texts of held-out items, and other ratings of held-out test rows, give the same weights."""
    interactions = dataset.interactions
    test = np.concatenate([parts.test, parts.item_cold, parts.user_cold, parts.both_cold])
    positive, rating = interactions.positive.copy(), interactions.rating.copy()
    positive[test] = rng_bits = np.random.default_rng(0).random(len(test)) < 0.5
    rating[test] = np.where(rng_bits, 5, 1)
    changed = replace(
        dataset,
        items=tuple(
            Item(item.id, {"title": "Leak", "genres": ["Comedy", "Leak"]}) if cold else item
            for item, cold in zip(dataset.items, parts.cold_items, strict=True)
        ),
        interactions=replace(interactions, positive=positive, rating=rating),
    )
    same_model(train(changed, parts, config, tmp_path), unbroken[0])


def test_the_time_limit_ends_the_joint_stage(
    dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path
) -> None:
    """A run out of time skips the joint steps that are left, finishes, and says that it was cut."""
    train(dataset, parts, replace(config, max_minutes=1e-9), tmp_path)
    metrics = json.loads(RunFolder(tmp_path).metrics.read_text(encoding="utf-8"))
    assert metrics["training"]["cut"]
    assert metrics["training"]["joint_steps"] == 0


@pytest.mark.parametrize("off", ["user_task", "item_task", "pair_task", "alignment"])
def test_each_task_can_be_switched_off(
    dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path, off: str
) -> None:
    """Without a task its losses are gone, and training works."""
    seen: set[str] = set()

    def note(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        seen.update(values)

    train(dataset, parts, replace(config, **{off: 0.0}), tmp_path, note)
    losses = {
        "user_task": {"behaviour", "rating", "next attributes"},
        "item_task": {"attributes"},
        "pair_task": {"ranking", "ranking of new", "alignment"},
        "alignment": {"alignment"},
    }
    assert not seen & losses[off]
    assert seen >= set().union(*losses.values()) - losses[off] - (losses["pair_task"] if off == "pair_task" else set())


def test_frozen_layers_stay(
    unbroken: tuple[TrainedModel, RunFolder], dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path
) -> None:
    """The lowest layers are untouched where they are frozen; the word embeddings always."""
    trained = train(dataset, parts, replace(config, frozen_layers=1), tmp_path)
    frozen, free = trained.model.encoder.bert.encoder.layer, unbroken[0].model.encoder.bert.encoder.layer
    assert not torch.equal(frozen[0].output.dense.weight, free[0].output.dense.weight)
    assert torch.equal(
        trained.model.encoder.bert.embeddings.word_embeddings.weight,
        unbroken[0].model.encoder.bert.embeddings.word_embeddings.weight,
    )
