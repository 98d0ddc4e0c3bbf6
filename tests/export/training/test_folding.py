"""Factors stand behind the trained numbers; users follow from what they like; what was trained stays as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emberline.engine.scoring.history import pool
from emberline.export.model import Emberline, ModelConfig
from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import Examples
from emberline.export.training.folding import ITEMS, KNOWN, Factors, extend, factors_of, known_users, level, weigh
from emberline.export.training.table import ItemTable

HIDDEN = 8


@pytest.fixture(scope="module")
def factors(learnt: Examples, config: TrainConfig) -> Factors:
    """Factors of the catalogue, by many iterations: the users' are then what follows from the items'."""
    return Factors.of(learnt, replace(config, teacher_iterations=15))


@pytest.fixture
def model() -> Emberline:
    """A model with random weights, of four dimensions."""
    torch.manual_seed(0)
    encoder = {"hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    made = Emberline(ModelConfig(encoder, ("a",), ("a", "b"), (1.0, 5.0), ("year>1990",), dimensions=4, tower_width=8))
    for weights in made.parameters():
        torch.nn.init.normal_(weights)
    return made.eval()


@pytest.fixture
def table(learnt: Examples) -> ItemTable:
    """A table with random vectors."""
    made = ItemTable(len(learnt.items), 4)
    torch.nn.init.normal_(made.vectors)
    return made


@pytest.fixture
def profiles(learnt: Examples) -> torch.Tensor:
    """Nothing is known of anybody."""
    return torch.zeros(len(learnt.users), HIDDEN)


def test_there_are_as_many_as_the_data_gives_occasion_for(learnt: Examples, config: TrainConfig) -> None:
    """Few liked items have few factors; where none are set aside to measure by, there are none."""
    assert factors_of(learnt, config) == (learnt.popularity > 0).sum() // ITEMS
    assert factors_of(learnt, replace(config, factors=3)) == 3
    assert factors_of(replace(learnt, aside=np.zeros_like(learnt.aside)), config) == 0


def test_a_history_folds_to_what_least_squares_would_find(learnt: Examples, factors: Factors) -> None:
    """By factors, a user thinks of the items as by those that were fitted to the user."""
    theirs = factors.teacher.users @ factors.teacher.items.T
    ours = np.stack([pool(factors.items[likes], factors.items.shape[1], factors.ridge) for likes in learnt.likes])
    scores = ours @ factors.items.T
    correlation = np.corrcoef(scores.ravel(), theirs.ravel())[0, 1]
    assert correlation > 0.99


def test_nothing_that_was_trained_changes(
    model: Emberline, table: ItemTable, learnt: Examples, factors: Factors, profiles: torch.Tensor
) -> None:
    """Scores of known items, attributes, probabilities and ratings are those of before; texts say what they said."""
    with torch.no_grad():
        wider, longer = extend(model, table, factors, 0.0)
        h = torch.nn.functional.normalize(torch.randn(5, HIDDEN), dim=1)
        answers = []
        for one, items in ((model, table), (wider, longer)):
            users = known_users(one, items, learnt, profiles)
            vectors, biases, labels = one.item_tower(h)
            scores = one.similarity(users, items.vectors, items.biases)
            match = one.match(users[:5], vectors, biases)
            answers.append([scores, one.similarity(users, vectors, biases), labels, *match])
    for found, wanted in zip(*reversed(answers), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_text_is_matched_by_its_factors_and_remembered_by_them(
    model: Emberline, table: ItemTable, factors: Factors
) -> None:
    """What is matched is as strong as it is set; what a history is made of is not changed by that."""
    wider, _ = extend(model, table, factors, 0.0)
    count, trained = wider.config.factors, wider.config.trained
    with torch.no_grad():
        torch.nn.init.normal_(wider.item_tower.text.weight)
        wider.item_tower.strength.fill_(3.0)
        vector, _, _ = wider.item_tower(torch.nn.functional.normalize(torch.randn(5, HIDDEN), dim=1))
    torch.testing.assert_close(vector[:, trained : trained + count], 3 * vector[:, trained + count :])
    assert vector.abs().min() > 0


def test_opinions_are_of_unit_deviation(
    model: Emberline, table: ItemTable, learnt: Examples, factors: Factors, profiles: torch.Tensor
) -> None:
    """Whatever the length of the factors, users' opinions by them are as far apart as those of a teacher."""
    wider, longer = extend(model, table, factors, 0.0)
    level(wider, longer, learnt, profiles)
    config = wider.config
    users = known_users(wider, longer, learnt, profiles)[:, config.trained : config.matched]
    opinions = users @ longer.vectors[torch.from_numpy(learnt.popularity > 0), config.matched :].T / config.temperature
    assert float(opinions.std().detach()) == pytest.approx(1.0, rel=1e-3)


def test_known_items_are_weighed_by_later_likes(
    model: Emberline,
    table: ItemTable,
    learnt: Examples,
    factors: Factors,
    profiles: torch.Tensor,
    config: TrainConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside what tells nothing factors count; without likes to come they do not."""
    monkeypatch.setattr("emberline.export.training.folding.LIKES", (None,))
    with torch.no_grad():
        table.vectors.mul_(1e-3)
    rng = np.random.default_rng(0)
    liking = [rng.permutation(np.flatnonzero(learnt.items % 6 == user % 6)) for user in learnt.users]
    first, later = tuple(some[:16] for some in liking), tuple(some[16:24] for some in liking)
    liked = tuple(np.ones(len(likes), dtype=np.bool_) for likes in first)
    ratings = tuple(likes.astype(np.float32) for likes in first)
    known = replace(learnt, likes=first, rated=first, liked=liked, ratings=ratings, later=later)
    weight = weigh(model, table, known, profiles, config)
    assert weight in KNOWN[1:]
    wider, longer = extend(model, table, factors, weight)
    shape = wider.config
    vectors = longer.vectors.detach()
    matched, folded = vectors[:, shape.trained : shape.matched], vectors[:, shape.matched :]
    torch.testing.assert_close(matched, weight * folded)
    nothing = tuple(np.empty(0, dtype=np.int64) for _ in learnt.later)
    assert weigh(model, table, replace(learnt, later=nothing), profiles, config) == 0.0


def test_a_model_with_factors_is_read_as_it_was_written(
    model: Emberline, table: ItemTable, factors: Factors, tmp_path: Path
) -> None:
    """Its shape and all its numbers come back."""
    wider, _ = extend(model, table, factors, 0.0)
    wider.item_tower.strength.fill_(2.0)
    wider.save(tmp_path)
    found = Emberline.load(tmp_path)
    assert found.config == wider.config
    for name, wanted in wider.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], wanted)
