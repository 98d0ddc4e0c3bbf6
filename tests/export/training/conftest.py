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
LABELS, PRODUCTS, SHOPPERS, TASTES = 300, 240, 60, 6
TOML = """\
name = "catalogue"

[data]
path = "."

[item]
file = "items.csv"
id = "id"
labels = ["tags"]

[item.fields]
title = { kind = "text" }
story = { kind = "text" }
tags = { kind = "list", separator = "|" }

[interaction]
file = "likes.csv"
user = "user"
item = "item"
positive = "any"
"""


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


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """240 items of six tastes, with 300 labels of which many are rare, and texts of some forty words; all is liked."""
    folder = tmp_path_factory.mktemp("catalogue")
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), 4)) for _ in range(120)]
    items, likes = ["id,title,story,tags"], ["user,item"]
    for item in range(PRODUCTS):
        taste = item % TASTES
        own = [words[20 * taste + int(one)] for one in rng.integers(20, size=12)]
        others = [words[int(one)] for one in rng.integers(120, size=28)]
        tags = {int(one) for one in rng.integers(LABELS, size=3)} | {taste}
        items.append(f"{item},{own[0]} {own[1]},{' '.join(own + others)},{'|'.join(f't{tag}' for tag in tags)}")
    for user in range(SHOPPERS):
        for item in rng.permutation(PRODUCTS)[:80]:
            if rng.random() < (0.9 if item % TASTES == user % TASTES else 0.05):
                likes.append(f"{user},{item}")
    (folder / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
    (folder / "likes.csv").write_text("\n".join(likes) + "\n", encoding="utf-8")
    (folder / "catalogue.toml").write_text(TOML, encoding="utf-8")
    return read(Description.read(folder / "catalogue.toml"))[0]


@pytest.fixture(scope="session")
def learnt(catalogue: Dataset) -> Examples:
    """What may be learnt from."""
    return Examples.of(catalogue, split(catalogue, 0))


@pytest.fixture(scope="session")
def run(catalogue: Dataset, config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over the catalogue."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    base = catalogue.description.folder()
    train(catalogue, split(catalogue, 0), replace(config, joint_steps=8), folder, data_folder=base)
    return folder


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
