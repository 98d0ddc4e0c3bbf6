from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emberline.engine.errors import ConfigError
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.training.checkpoint import Checkpoint
from emberline.export.training.config import TrainConfig
from emberline.export.training.loop import train
from emberline.export.training.run import RunFolder
from emberline.export.training.trained import TrainedModel
from emberline.export.training.uncertainty import TASKS, Uncertainty


def _parts(user: float, item: float) -> dict[str, tuple[float, torch.Tensor]]:
    return {
        "behaviour": (0.5, torch.tensor(user)),
        "rating": (1.0, torch.tensor(user)),
        "attributes": (1.0, torch.tensor(item)),
    }


def test_at_first_the_weights_are_those_of_the_settings() -> None:
    """The sum is the weighted one, and tasks without a loss are left out."""
    total, weights = Uncertainty()(_parts(2.0, 10.0))
    assert total.item() == pytest.approx(0.5 * 2 + 2 + 10)
    assert weights == {"weight of user": 1.0, "weight of item": 1.0}


def test_a_variance_settles_at_twice_its_loss() -> None:
    """There the derivative of L / σ² + log σ is 0: a task of larger losses counts less. A task without losses rests."""
    uncertainty = Uncertainty()
    descent = torch.optim.Adam(uncertainty.parameters(), lr=0.05)
    for _ in range(400):
        descent.zero_grad()
        total, _ = uncertainty(_parts(2.0, 10.0))
        torch.autograd.backward(total)
        descent.step()
    variances = dict(zip(TASKS, uncertainty.log_variances.exp().tolist(), strict=True))
    assert variances == pytest.approx({"user": 6.0, "item": 20.0, "pair": 1.0}, rel=0.02)


def test_weights_are_learnt_noted_and_resumed(
    dataset: Dataset,
    parts: Split,
    config: TrainConfig,
    tmp_path: Path,
    same_model: Callable[[TrainedModel, TrainedModel], None],
) -> None:
    """They move in every stage, stand in the curves and the checkpoint, and a resumed run is as an unbroken one."""
    often = replace(config, task_weights="uncertainty", checkpoint_seconds=0.0)
    noted: list[Mapping[str, float]] = []

    def note(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        if values:
            noted.append(values)

    unbroken = train(dataset, parts, often, tmp_path / "unbroken", note)
    weights = [values["weight of item"] for values in noted]
    assert len(set(weights)) == len(weights)
    assert weights[-1] < weights[0]
    assert {f"weight of {task}" for task in TASKS} <= set(noted[-1])

    def kill(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        if stage == "joint" and step == 4:
            raise KeyboardInterrupt

    broken = RunFolder(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train(dataset, parts, often, broken.root, kill)
    kept = Checkpoint.read(broken.checkpoint).tensors["uncertainty"]["log_variances"]
    assert kept.abs().min() > 0
    resumed = train(dataset, parts, often, broken.root, resume=True)
    same_model(resumed, unbroken)
    assert json.loads(broken.metrics.read_text(encoding="utf-8"))["training"]["joint_steps"] == config.joint_steps


def test_other_ways_of_weighing_are_refused() -> None:
    """The error names both that there are."""
    with pytest.raises(ConfigError, match=r"task_weights is 'even'; choose one of fixed, uncertainty"):
        TrainConfig(task_weights="even")
