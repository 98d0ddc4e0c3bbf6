"""Four small data sets, described as in the guide; a tiny BERT; results that are measured once."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from emberline.bench.coldstart.coldstart import bench_coldstart
from emberline.bench.coldstart.plan import Plan
from emberline.bench.coldstart.settings import ColdStartSettings
from emberline.engine.bundle import BundleLayout
from emberline.export.data.description import Description
from emberline.export.data.facts import with_facts
from emberline.export.data.reader import read
from emberline.export.data.records import Dataset
from emberline.export.training.config import TrainConfig

HERE = Path(__file__).parent
GUIDE = (HERE.parents[2] / "docs" / "coldstart.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"\*\*(\S+\.toml)\*\*\n\n```toml\n(.*?)```", GUIDE, flags=re.DOTALL))


#: A catalogue of names, with neither attributes nor labels nor profiles nor times.
NAMES = """
name = "names"

[item]
file = "items.csv"
id = "id"

[item.fields]
name = {}

[interaction]
file = "plays.csv"
user = "player"
item = "game"
rating = "hours"
positive = "rating >= 2"
"""


def _worlds() -> ModuleType:
    spec = importlib.util.spec_from_file_location("worlds", HERE / "worlds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Description]:
    """Gives a data set of the guide by name, its data beside its description."""
    made: dict[str, Description] = {}

    def describe(name: str) -> Description:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            (folder / f"{name}.toml").write_text(FILES[f"{name}.toml"], encoding="utf-8")
            made[name] = Description.read(folder / f"{name}.toml")
            _worlds().write_world(made[name], folder)
        return made[name]

    return describe


@pytest.fixture(scope="session")
def shop(described: Callable[[str], Description]) -> Dataset:
    """The shop."""
    return read(described("shop"))[0]


@pytest.fixture(scope="session")
def shop_with_facts(described: Callable[[str], Description]) -> Dataset:
    """The shop with makers and origins out of its triples."""
    description = described("shop")
    return read(with_facts(description, description.base / "triples.tsv"))[0]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A BERT of a few thousand weights, as a folder of `transformers`."""
    folder = tmp_path_factory.mktemp("bert")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(BundleLayout(tiny_bundle).tokenizer), pad_token="[PAD]")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def training(tiny_bert: Path) -> TrainConfig:
    """A training of seconds."""
    return TrainConfig(
        encoder=str(tiny_bert),
        max_length=32,
        dimensions=8,
        tower_width=16,
        tower_steps=20,
        joint_steps=2,
        final_steps=10,
        items=8,
        users=16,
        threads=1,
    )


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `shop_result` keeps its runs."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def shop_result(described: Callable[[str], Description], training: TrainConfig, runs: Path) -> dict[str, Any]:
    """Everything that can be measured of the shop under one seed, tuned, with models, facts and an ablation."""
    description = described("shop")
    plan = Plan(
        description=description,
        graph=description.base / "triples.tsv",
        train=True,
        ablations=("no teacher",),
        budget=0.5,
        training=training,
        folder=runs,
    )
    return dict(bench_coldstart(plan, ColdStartSettings(seeds=(0,), known=(0, 2), samples=200)))


@pytest.fixture(scope="session")
def names_result(tmp_path_factory: pytest.TempPathFactory, training: TrainConfig) -> dict[str, Any]:
    """Baselines of a catalogue of which nothing but names is known, one seed, tuned."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "names.toml").write_text(NAMES, encoding="utf-8")
    description = Description.read(folder / "names.toml")
    _worlds().write_world(description, folder)
    plan = Plan(description=description, training=training, bad_data=False)
    return dict(bench_coldstart(plan, ColdStartSettings(seeds=(0,), known=(0, 2))))


@pytest.fixture(scope="session")
def seeds_result(described: Callable[[str], Description], training: TrainConfig) -> dict[str, Any]:
    """The shop's baselines under two seeds, not tuned."""
    plan = Plan(description=described("shop"), training=training, bad_data=False)
    return dict(bench_coldstart(plan, ColdStartSettings(seeds=(0, 1), known=(0,), tune=False)))
