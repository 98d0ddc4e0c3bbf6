"""A small data set in files, and settings for a run of a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from films import write_films

from emberline.export.data.description import Description
from emberline.export.data.reader import read
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split, split
from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import Examples
from emberline.export.training.loop import train
from emberline.export.training.trained import TrainedModel

GENRES = ("Comedy", "Drama", "Horror")
USERS, ITEMS = 24, 30


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The description file of a small data set; each user likes one genre."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    items = [f"i{i},Film {i},{GENRES[i % 3]}" + ("|Old" if i % 5 == 0 else "") for i in range(ITEMS)]
    users = [f"u{u},{20 + u}" for u in range(USERS)]
    rows = []
    for user in range(USERS):
        for time, item in enumerate(rng.permutation(ITEMS)[:20]):
            likes = item % 3 == user % 3 or rng.random() < 0.2
            rows.append(f"u{user},i{item},{5 if likes else 2},{1000 + time}")
    return write_films(folder, items, users, rows)


@pytest.fixture(scope="session")
def dataset(films: Path) -> Dataset:
    """The small data set."""
    return read(Description.read(films))[0]


@pytest.fixture(scope="session")
def parts(dataset: Dataset) -> Split:
    """A split of the small data set."""
    return split(dataset, seed=0)


@pytest.fixture(scope="session")
def examples(dataset: Dataset, parts: Split) -> Examples:
    """What may be learnt from."""
    return Examples.of(dataset, parts)


@pytest.fixture(scope="session")
def config(tiny_bert: Path) -> TrainConfig:
    """Settings for a run of a second."""
    return TrainConfig(
        encoder=str(tiny_bert),
        max_length=64,
        dimensions=8,
        tower_width=16,
        tower_steps=4,
        joint_steps=6,
        final_steps=3,
        items=8,
        users=12,
        threads=1,
        teacher_iterations=2,
    )


class Killed(Exception):
    """Stands in for a kill: nothing of the trainer's runs after it."""


@pytest.fixture(scope="session")
def same_model() -> Callable[[TrainedModel, TrainedModel], None]:
    """Assert that two models have the same weights, bit for bit."""

    def same(first: TrainedModel, second: TrainedModel) -> None:
        weights = second.model.state_dict()
        for (name, one), other in zip(first.model.state_dict().items(), weights.values(), strict=True):
            assert torch.equal(one, other), name

    return same


@pytest.fixture(scope="session")
def resumed() -> Callable[..., TrainedModel]:
    """Train with a checkpoint after every step until a kill after so many of them, and go on from the last one."""

    def cut_off(data: Dataset, parts: Split, config: TrainConfig, folder: Path, stop: int) -> TrainedModel:
        steps = 0

        def kill(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
            nonlocal steps
            steps += bool(values)
            if steps > stop:
                raise Killed

        often = replace(config, checkpoint_seconds=0.0)
        with pytest.raises(Killed):
            train(data, parts, often, folder, kill)
        return train(data, parts, often, folder, resume=True)

    return cut_off
