from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from emberline.export.model import Emberline, ModelConfig
from emberline.export.training.aim import take_aim
from emberline.export.training.blending import CAUTIOUS
from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import Examples, Floats
from emberline.export.training.placement import TextFeatures
from emberline.export.training.start import start
from emberline.export.training.table import ItemTable
from emberline.export.training.teacher import Teacher, teach

WIDTH = 8


@pytest.fixture
def model(examples: Examples) -> Emberline:
    """A model of eight dimensions with a small encoder, which is not asked."""
    torch.manual_seed(0)
    encoder = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    names = examples.label_names
    config = ModelConfig(encoder, names, names, (1.0, 5.0), examples.limit_names, dimensions=WIDTH, tower_width=16)
    return Emberline(config).eval()


@pytest.fixture
def aimed(model: Emberline, examples: Examples, config: TrainConfig) -> tuple[ItemTable, Teacher]:
    """A table with its aim, and the teacher."""
    teacher = teach(examples, config)
    table = ItemTable(len(examples.items), WIDTH)
    start(model, table, teacher, examples.popularity, len(examples.users))
    rng = np.random.default_rng(0)
    items = rng.standard_normal((len(examples.items), 16)).astype(np.float32)
    take_aim(
        model, table, teacher, examples, _features(examples, items), torch.zeros(len(examples.users), 16), CAUTIOUS
    )
    return table, teacher


def _features(examples: Examples, items: Floats) -> TextFeatures:
    return TextFeatures(items, examples.indicators, csr_matrix((len(items), 1), dtype=np.float32))


def _users(model: Emberline, table: ItemTable, examples: Examples) -> torch.Tensor:
    history = torch.stack([table.vectors[liked].mean(dim=0) for liked in examples.likes])
    length = torch.tensor([float(len(liked)) for liked in examples.likes])
    found, _ = model.user_tower(history, torch.zeros(len(examples.likes), 16), length)
    return torch.as_tensor(found).detach()


def test_users_like_items_as_the_teacher_has_it(
    model: Emberline, examples: Examples, aimed: tuple[ItemTable, Teacher]
) -> None:
    """Scored by their aims, items stand to each other about as in the teacher's opinion."""
    table, teacher = aimed
    users = _users(model, table, examples)
    scores = model.similarity(users, table.aim[:, :WIDTH], table.aim[:, WIDTH]).numpy()
    opinions = teacher.users @ teacher.items.T
    assert np.corrcoef(scores.ravel(), opinions.ravel())[0, 1] > 0.8


def test_the_root_measures_differences_of_scores(
    model: Emberline, examples: Examples, aimed: tuple[ItemTable, Teacher]
) -> None:
    """A difference of rows has, through the root, the mean square of the users' differences of scores."""
    table, _ = aimed
    users = _users(model, table, examples)
    difference = torch.randn(5, WIDTH + 1)
    scores = users @ difference[:, :WIDTH].T / model.config.temperature + difference[:, WIDTH]  # (u, 5)
    found = (difference @ table.root).pow(2).sum(dim=1)
    torch.testing.assert_close(found, scores.pow(2).mean(dim=0), rtol=0.2, atol=0.02)


def test_what_is_liked_more_is_liked_more_when_new(examples: Examples, aimed: tuple[ItemTable, Teacher]) -> None:
    """The scale keeps the direction of opinions: popular items have the greater rows on average."""
    table, teacher = aimed
    mean = (teacher.users @ teacher.items.T).mean(axis=0)
    known = examples.popularity > 0
    assert np.corrcoef(mean[known], examples.popularity[known])[0, 1] > 0
    assert torch.isfinite(table.aim).all()


def test_what_many_like_is_liked_where_the_teacher_has_no_opinion(model: Emberline, examples: Examples) -> None:
    """The teacher's opinions are not all: items that more people like have the greater scores for everybody."""
    count, width = len(examples.items), 4
    silent = Teacher(
        items=np.zeros((count, width), np.float32), users=np.zeros((len(examples.users), width), np.float32)
    )
    table = ItemTable(count, WIDTH)
    start(model, table, None, examples.popularity, len(examples.users))
    features = _features(examples, np.zeros((count, 16), np.float32))
    take_aim(model, table, silent, examples, features, torch.zeros(len(examples.users), 16), CAUTIOUS)
    scores = model.similarity(_users(model, table, examples), table.aim[:, :WIDTH], table.aim[:, WIDTH]).numpy()
    assert np.corrcoef(scores.mean(axis=0), np.log1p(examples.popularity))[0, 1] > 0.95
