from __future__ import annotations

from typing import Any

import pytest

from emberline.engine.errors import ConfigError
from emberline.export.precision.linears import KINDS, LinearGroup
from emberline.export.precision.recipe import RECIPES, Recipe, shipped


def test_layers_are_named_by_kind_or_one_by_one(layers: list[LinearGroup]) -> None:
    """A kind selects that part of every layer, a name selects a single one."""
    recipe = Recipe("uint8", activations_16bit=frozenset({"layer.1.ffn_up"}), fp32=frozenset({"ffn_down"}))
    recipe.require_known(layers)
    assert [one.name for one in layers if recipe.is_16bit(one)] == ["layer.1.ffn_up"]
    assert [one.name for one in recipe.quantised(layers)] == [one.name for one in layers if one.kind != "ffn_down"]


def test_defaults_fit_every_encoder(layers: list[LinearGroup]) -> None:
    """The default recipes name only kinds that every BERT has."""
    for recipe in shipped("models/ours").values():
        recipe.require_known(layers)


def test_the_default_encoder_has_an_assignment_of_its_own() -> None:
    """The default recipe for MiniLM costs less than the general one, and that for TensorRT is the same."""
    found = shipped("minilm")
    assert len(found["int8"].activations_16bit) < 12
    assert found["int8-trt"] == RECIPES["int8-trt"]


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        (Recipe("uint8", activations_16bit=frozenset({"ffn"})), "no layers 'ffn'; there are attention_in"),
        (Recipe("uint8", fp32=frozenset({"layer.7.ffn_up"})), r"no layers 'layer\.7\.ffn_up'"),
        (
            Recipe("uint8", activations_16bit=frozenset({"ffn_up"}), fp32=frozenset({"layer.1.ffn_up"})),
            r"layer\.1\.ffn_up is to have 16-bit activations and to stay fp32",
        ),
        (Recipe("uint8", fp32=frozenset(KINDS)), "nothing to quantise"),
    ],
)
def test_recipes_that_cannot_be_followed_are_refused(layers: list[LinearGroup], recipe: Recipe, complaint: str) -> None:
    """The error names the layer and lists the existing ones."""
    with pytest.raises(ConfigError, match=complaint):
        recipe.require_known(layers)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"method": "mean"}, "'mean': choose from minmax, percentile, entropy"),
        ({"alpha": 0.0}, "above 0 and at most 1"),
    ],
)
def test_settings_that_there_are_not_are_refused(settings: dict[str, Any], complaint: str) -> None:
    """The error lists the possible values."""
    with pytest.raises(ConfigError, match=complaint):
        Recipe("uint8", **settings)


def test_tensorrt_never_stores_embeddings_in_8_bits() -> None:
    """Recipes for TensorRT never store embeddings in 8 bits, whatever they ask for."""
    assert Recipe("uint8").stores_embeddings
    assert not Recipe("uint8", embeddings=False).stores_embeddings
    assert not Recipe("int8").stores_embeddings


def test_the_general_recipes_are_as_documented() -> None:
    """16 bits where any BERT needs them: on a CPU for both parts of the feed-forward network, on a GPU for one."""
    assert RECIPES["int8"] == Recipe("uint8", activations_16bit=frozenset({"ffn_up", "ffn_down"}))
    assert RECIPES["int8-trt"] == Recipe("int8", activations_16bit=frozenset({"ffn_down"}))
    names = {f"layer.{number}.attention_in" for number in (3, 4, 5)}
    assert shipped("minilm")["int8"] == Recipe("uint8", activations_16bit=frozenset(names))
    assert Recipe("uint8", alpha=1.0).alpha == 1.0


def test_16_bit_ranges_always_cover_all(layers: list[LinearGroup]) -> None:
    """Another method of choosing ranges is for 8-bit activations; the strength of smoothing is for all."""
    recipe = Recipe("uint8", activations_16bit=frozenset({"ffn_up"}), method="entropy", alpha=0.5)
    for one in layers:
        config = recipe.layer_config(one)
        assert config.is_16bit is (one.kind == "ffn_up")
        assert (config.method, config.alpha) == ("minmax" if config.is_16bit else "entropy", 0.5)
