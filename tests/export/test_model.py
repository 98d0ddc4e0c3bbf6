from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig

from emberline.engine.errors import DataError
from emberline.export.model import CONFIG, LABEL, LIMIT, PROFILE, Emberline, ModelConfig, TextEncoder


def _config(**changed: Any) -> ModelConfig:
    encoder = {
        "vocab_size": 20,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 16,
    }
    return ModelConfig(
        encoder,
        ("g=a", "g=b"),
        ("g=a",),
        (1.0, 5.0),
        item_limits=("year>1990",),
        dimensions=4,
        tower_width=8,
        **changed,
    )


@pytest.fixture
def model() -> Emberline:
    """A model with random weights and a memory of three items."""
    torch.manual_seed(0)
    return Emberline(_config(memory=3)).eval()


def test_the_encoder_ignores_padding(model: Emberline) -> None:
    """A text's vector has unit length and does not depend on what stands behind it."""
    ids = torch.tensor([[1, 2, 3]])
    short = model.encoder(ids, torch.ones_like(ids)).sentence_embedding
    padded = torch.tensor([[1, 2, 3, 9, 9]])
    long = model.encoder(padded, torch.tensor([[1, 1, 1, 0, 0]])).sentence_embedding
    torch.testing.assert_close(short, long, atol=1e-6, rtol=0)
    assert short.norm().item() == pytest.approx(1, abs=1e-5)


def test_the_encoder_loads_plain_bert_weights(tmp_path: Path) -> None:
    """It is a `transformers` model, saved and loaded as one."""
    encoder = TextEncoder(BertConfig(**_config().encoder))
    encoder.save_pretrained(tmp_path)
    again = TextEncoder.from_pretrained(tmp_path)
    assert torch.equal(
        again.bert.encoder.layer[0].output.dense.weight, encoder.bert.encoder.layer[0].output.dense.weight
    )


def test_shapes(model: Emberline) -> None:
    """Every output has the shape that the bundle's layout gives it."""
    h = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
    vector, bias, attributes = model.item_tower(h)
    user, user_attributes = model.user_tower(vector, h, torch.ones(5))
    logit, rating = model.match(user, vector, bias)
    assert [tuple(part.shape) for part in (vector, bias, attributes)] == [(5, 4), (5,), (5, 2)]
    assert [tuple(part.shape) for part in (user, user_attributes)] == [(5, 4), (5, 1)]
    assert [tuple(part.shape) for part in (logit, rating)] == [(5,), (5,)]
    assert model.similarity(user[:2], vector, bias).shape == (2, 5)
    assert ((rating >= 1) & (rating <= 5)).all()


def test_an_item_is_placed_by_what_its_text_tells_of_it(model: Emberline) -> None:
    """Predicted attributes and limits move an item's vector; without weight they do not."""
    h = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
    tower = model.item_tower
    plain = tower.read(h)
    torch.testing.assert_close(plain, tower.text(h))
    torch.nn.init.ones_(tower.described.weight)
    indicators = tower.describe(h).sigmoid() * torch.tensor([LABEL, LABEL, LIMIT])
    torch.testing.assert_close(tower.read(h), plain + indicators.sum(dim=1, keepdim=True))


def test_profiles_are_read_by_what_tells_them_apart(model: Emberline) -> None:
    """Settled, profiles have entries of a given size around zero; a user without one reads as the mean profile."""
    profiles = torch.nn.functional.normalize(torch.randn(50, 8) + 5, dim=1)
    model.user_tower.settle(torch.cat([profiles, torch.zeros(1, 8)]))
    _, read, _ = model.user_tower.inputs(torch.zeros(51, 4), torch.cat([profiles, torch.zeros(1, 8)]), torch.zeros(51))
    torch.testing.assert_close(read.mean(dim=0), torch.zeros(8), atol=1e-5, rtol=0)
    assert read[:50].pow(2).mean().sqrt().item() == pytest.approx(PROFILE, rel=1e-4)
    assert not read[50].any()


def test_a_history_adds_up_ever_more_slowly(model: Emberline) -> None:
    """Four likes of one kind say twice as much as one."""
    mean = torch.ones(2, 4)
    history, _, _ = model.user_tower.inputs(mean, torch.zeros(2, 8), torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(history[1], 2 * history[0])


def test_the_ranking_score_is_the_one_that_the_match_head_sees(model: Emberline) -> None:
    """s(u, i) = z_u·z_i / τ + b_i."""
    user, item, bias = torch.randn(2, 4), torch.randn(3, 4), torch.randn(3)
    tau = model.config.temperature
    expected = torch.stack([torch.stack([u @ i / tau + b for i, b in zip(item, bias, strict=True)]) for u in user])
    torch.testing.assert_close(model.similarity(user, item, bias), expected)


def test_a_model_comes_back(model: Emberline, tmp_path: Path) -> None:
    """Saving and loading gives the same configuration and weights, the memory's included."""
    model.item_tower.values.normal_()
    model.save(tmp_path)
    again = Emberline.load(tmp_path)
    assert again.config == model.config
    assert not again.training
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


@pytest.mark.parametrize("damage", ["missing", "torn", "other"])
def test_a_folder_without_a_model_is_named(model: Emberline, tmp_path: Path, damage: str) -> None:
    """A missing, torn or foreign configuration is refused with the folder's name."""
    model.save(tmp_path)
    if damage == "missing":
        (tmp_path / CONFIG).unlink()
    else:
        (tmp_path / CONFIG).write_text("{" if damage == "torn" else "{}", encoding="utf-8")
    with pytest.raises(DataError, match="holds no trained model"):
        Emberline.load(tmp_path)


def test_without_memory_and_labels(tmp_path: Path) -> None:
    """Data without labels, and a model without memory, have outputs of width 0 and work."""
    model = Emberline(ModelConfig(_config().encoder, (), (), (0.0, 0.0), dimensions=4, tower_width=8)).eval()
    h = torch.randn(2, 8)
    vector, bias, attributes = model.item_tower(h)
    assert attributes.shape == (2, 0)
    _, rating = model.match(vector, vector, bias)
    assert torch.equal(rating, torch.zeros(2))
