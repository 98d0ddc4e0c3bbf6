"""Placing items by their texts in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge

from emberline.export.model import Emberline, ModelConfig
from emberline.export.training.pieces import Pieces
from emberline.export.training.placement import (
    DEEP,
    WIDE,
    Blend,
    ItemPlacement,
    TextFeatures,
    place,
    placed,
    put,
    solve,
)

COUNT, HIDDEN, LABELS, WIDTH = 30, 16, 3, 5
BLEND = Blend(words=0.7, penalty=2.0)


@pytest.fixture
def texts() -> list[list[int]]:
    """Token ids of the items' texts."""
    rng = np.random.default_rng(1)
    return [rng.integers(4, 20, size=rng.integers(2, 9)).tolist() for _ in range(COUNT)]


@pytest.fixture
def pieces(texts: list[list[int]]) -> Pieces:
    """The pieces of the texts."""
    return Pieces.of(texts, vocabulary=20)


@pytest.fixture
def features(texts: list[list[int]], pieces: Pieces) -> TextFeatures:
    """What the texts say."""
    rng = np.random.default_rng(0)
    deep = rng.normal(size=(COUNT, HIDDEN)).astype(np.float32)
    deep /= np.linalg.norm(deep, axis=1, keepdims=True)
    indicators = (rng.random((COUNT, LABELS)) < 0.5).astype(np.float32)
    return TextFeatures(deep, indicators, pieces.features(texts))


@pytest.fixture
def target() -> np.ndarray:
    """(n, D + 1) where items shall be put."""
    return np.random.default_rng(2).normal(size=(COUNT, WIDTH)).astype(np.float32)


def test_the_regression_is_that_of_all_features_side_by_side(features: TextFeatures, target: np.ndarray) -> None:
    """Solved by items, it gives what a ridge regression on the weighed features gives, for new items too."""
    [found] = solve(features, target, [BLEND])
    side_by_side = np.concatenate(
        [DEEP * features.deep, features.indicators, BLEND.words**0.5 * features.words.toarray()], axis=1
    )
    expected = Ridge(alpha=BLEND.penalty).fit(side_by_side, target)
    new = TextFeatures(features.deep[::-1].copy(), features.indicators, features.words)
    other = np.concatenate([DEEP * new.deep, new.indicators, BLEND.words**0.5 * new.words.toarray()], axis=1)
    np.testing.assert_allclose(found.of(new), expected.predict(other), atol=2e-3)


def test_a_blend_without_words_does_not_hear_them(features: TextFeatures, target: np.ndarray) -> None:
    """With a weight of 0, other words put an item nowhere else."""
    [found] = solve(features, target, [Blend(0.0, 1.0)])
    silent = TextFeatures(features.deep, features.indicators, csr_matrix(features.words.shape, dtype=np.float32))
    np.testing.assert_array_equal(found.of(features), found.of(silent))


def test_several_blends_are_solved_as_one_by_one(features: TextFeatures, target: np.ndarray) -> None:
    """The order of the blends, and what stands beside one, change nothing."""
    blends = [Blend(0.0, 1.0), Blend(1.0, 1.0), Blend(1.0, 5.0)]
    for blend, together in zip(blends, solve(features, target, blends), strict=True):
        np.testing.assert_allclose(together.of(features), solve(features, target, [blend])[0].of(features), atol=1e-5)


def test_the_model_puts_items_where_the_placement_does(
    texts: list[list[int]], pieces: Pieces, features: TextFeatures, target: np.ndarray
) -> None:
    """The wide part comes out of the encoder's vector as it went in, and adds to what the tower reads."""
    encoder = {
        "vocab_size": 20,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    names = tuple(f"genre={index}" for index in range(LABELS))
    model = Emberline(ModelConfig(encoder, names, names, (1.0, 5.0), dimensions=WIDTH - 1, tower_width=8)).eval()
    [found] = solve(features, target, [BLEND])
    place(model, found, pieces, features)
    ids = torch.zeros(COUNT, 12, dtype=torch.int64)
    mask = torch.zeros(COUNT, 12, dtype=torch.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text)
        mask[row, : len(text)] = 1
    tower = model.item_tower
    with torch.no_grad():
        vectors = model.encoder(ids, mask).sentence_embedding
        deep, wide = tower.parts(vectors)
        indicators = tower.describe(deep).sigmoid()
        vector, bias = tower.rank(deep, indicators, wide)
    assert vectors.shape[1] == model.config.embedding == HIDDEN + WIDTH
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(COUNT))
    expected = found.of(TextFeatures(deep.numpy(), (tower.emphasis * indicators).numpy(), features.words))
    np.testing.assert_allclose(torch.cat([vector, bias[:, None]], dim=1).numpy(), expected, atol=1e-4)
    raw = (wide / model.config.word_scale).pow(2).sum(dim=1).mean().sqrt()
    assert float(raw) == pytest.approx(WIDE, rel=1e-3)


def test_what_is_put_into_a_model_is_what_is_read_from_it(features: TextFeatures, target: np.ndarray) -> None:
    """A placement without words survives the way into a model and back."""
    encoder = {"vocab_size": 20, "hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 2}
    names = tuple(f"genre={index}" for index in range(LABELS))
    config = ModelConfig({**encoder, "intermediate_size": 16}, names, names, (1.0, 5.0), dimensions=WIDTH - 1)
    model = Emberline(config).eval()
    [found] = solve(features, target, [Blend(0.0, 1.0)])
    put(model, found)
    np.testing.assert_allclose(placed(model, features.words.shape[1]).of(features), found.of(features), atol=1e-5)


def test_a_placement_is_scaled_and_mixed_as_what_it_gives(features: TextFeatures, target: np.ndarray) -> None:
    """A slope scales all numbers, an offset moves the bias, and a mixture gives the mean."""
    one, other = solve(features, target, [Blend(0.0, 1.0), Blend(1.0, 9.0)])
    moved = 2.0 * one.of(features)
    moved[:, -1] += 3.0
    np.testing.assert_allclose(one.scaled(2.0, 3.0).of(features), moved, atol=1e-4)
    np.testing.assert_allclose(
        ItemPlacement.mean([one, other]).of(features), (one.of(features) + other.of(features)) / 2, atol=1e-5
    )
