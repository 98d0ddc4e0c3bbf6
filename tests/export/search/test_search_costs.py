from __future__ import annotations

from pathlib import Path

import pytest

from emberline.engine.bundle import BundleLayout
from emberline.export.precision import int8
from emberline.export.precision.quantiser import Quantiser
from emberline.export.precision.recipe import Recipe
from emberline.export.search.costs import Costs, RelativeTimes


@pytest.fixture
def costs(quantiser: Quantiser) -> Costs:
    """The costs of the small run's encoder if 16 bits take twice and fp32 three times as long."""
    return Costs.of(quantiser.source, quantiser.layers, RelativeTimes(2.0, 3.0))


def test_time_grows_with_the_share_of_the_arithmetic(costs: Costs) -> None:
    """The time goes from 1, with 8 bits throughout, to the measured time of 16 bits throughout."""
    assert costs.time(Recipe("uint8")) == 1
    assert costs.time(Recipe("uint8", activations_16bit=frozenset(costs.weights))) == pytest.approx(2)
    share = costs.weights["layer.0.ffn_up"] / sum(costs.weights.values())
    assert costs.time(Recipe("uint8", activations_16bit=frozenset({"layer.0.ffn_up"}))) == pytest.approx(1 + share)
    assert costs.time(Recipe("uint8", fp32=frozenset({"layer.0.ffn_up"}))) == pytest.approx(1 + 2 * share)


def test_sizes_are_those_of_the_files(
    costs: Costs, quantiser: Quantiser, small_graphs: BundleLayout, tmp_path: Path
) -> None:
    """The predicted size of fp32 layers and embeddings is right, except for the names in a small file."""
    recipes = [
        Recipe("uint8"),
        Recipe("uint8", fp32=frozenset({"layer.0.ffn_up", "layer.1.ffn_up"})),
        Recipe("uint8", embeddings=False),
    ]
    sizes = []
    for recipe in recipes:
        path = tmp_path / "encoder.onnx"
        int8.write(small_graphs.encoder("fp32"), path, quantiser.parts(recipe), "uint8", embeddings=recipe.embeddings)
        sizes.append(path.stat().st_size / costs.bytes)
    first = costs.size(recipes[0])
    for recipe, size in zip(recipes[1:], sizes[1:], strict=True):
        assert costs.size(recipe) - first == pytest.approx(size - sizes[0], abs=0.03)


@pytest.mark.parametrize(
    ("times", "alternatives"), [(RelativeTimes(1.8, 2.6), ("16-bit", "fp32")), (RelativeTimes(2.0, 1.9), ("fp32",))]
)
def test_16_bits_are_left_out_where_fp32_is_as_fast(
    times: RelativeTimes, alternatives: tuple[str, ...], quantiser: Quantiser
) -> None:
    """16 bits are not tried where two 8-bit products take longer than one in fp32."""
    assert Costs.of(quantiser.source, quantiser.layers, times).alternatives == alternatives
