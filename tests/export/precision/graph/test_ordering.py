from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from emberline.engine.bundle import BundleLayout
from emberline.engine.records import Floats
from emberline.export.precision.analysis.calibration import Statistics
from emberline.export.precision.analysis.layer import QuantisedGroup, quantise
from emberline.export.precision.graph.ordering import order_channels
from emberline.export.precision.graph.rewrite import Rewrite
from emberline.export.precision.linears import LinearGroup
from emberline.export.precision.recipe import Recipe

Parts = Callable[[Recipe], list[QuantisedGroup]]
WriteInt8 = Callable[[Recipe], Path]
Vectors = Callable[[Path], Floats]


def _down(quantised: list[QuantisedGroup]) -> list[QuantisedGroup]:
    return [one for one in quantised if one.layers.kind == "ffn_down"]


def test_noisy_channels_come_first(parts: Parts, layers: list[LinearGroup], statistics: list[Statistics]) -> None:
    """The order is a permutation, and no channel of the first eighth is less noisy than one behind it."""
    seen = {one.name: stats for one, stats in zip(layers, statistics, strict=True)}
    for one in _down(parts(Recipe("uint8"))):
        assert one.order is not None
        np.testing.assert_array_equal(np.sort(one.order), np.arange(len(one.layers.weight)))
        first, others = one.parts
        assert (first.is_16bit, others.is_16bit) == (True, False)
        assert len(first.divisors) == len(one.order) // 8
        widest = np.maximum(-seen[one.layers.name].low, seen[one.layers.name].high)
        noise = (widest * np.linalg.norm(one.layers.weight, axis=1))[one.order]
        assert noise[: len(first.divisors)].min() >= noise[len(first.divisors) :].max()


def test_layers_in_16_bits_need_no_order(parts: Parts) -> None:
    """Layers with 16-bit activations throughout, or behind a layer norm, keep the order of their channels."""
    assert all(one.order is None for one in parts(Recipe("uint8", activations_16bit=frozenset({"ffn_down"}))))


@pytest.mark.parametrize("fp32", [(), ("ffn_up",)])
def test_channels_meet_the_rows_that_read_them(
    fp32: tuple[str, ...], write_int8: WriteInt8, vectors: Vectors, small_graphs: BundleLayout
) -> None:
    """Reordering keeps the vectors, whether or not the layer in front is quantised."""
    found = vectors(write_int8(Recipe("uint8", fp32=frozenset(fp32))))
    assert (found * vectors(small_graphs.encoder("fp32"))).sum(axis=1).min() > 0.99


def test_the_product_in_front_is_put_in_order(small_graphs: BundleLayout, parts: Parts) -> None:
    """The weight and the bias of the layer in front are reordered, and nothing else."""
    source = onnx.load(small_graphs.encoder("fp32"))
    before = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.graph.initializer}
    graph = Rewrite(source)
    quantised = parts(Recipe("uint8"))
    given = {one.layers.name: one for one in order_channels(graph, quantised)}
    plain = {one.layers.name: one for one in quantised}
    for one in _down(quantised):
        up, old = (found[one.layers.name.replace("down", "up")] for found in (given, plain))
        np.testing.assert_array_equal(up.layers.weight, old.layers.weight[:, one.order])
        np.testing.assert_array_equal(graph.value(up.layers.weights[0]), before[old.layers.weights[0]][:, one.order])
        np.testing.assert_array_equal(up.parts[0].scales, old.parts[0].scales[one.order])
        assert given[one.layers.name] is one


def test_scales_of_their_own_lose_less(layers: list[LinearGroup]) -> None:
    """16 bits for the noisiest channels halve the error of a layer with a few wide channels."""
    rng = np.random.default_rng(0)
    one = next(found for found in layers if found.kind == "ffn_down")
    inputs = np.abs(rng.standard_normal((3000, len(one.weight)))).astype(np.float32)
    inputs[:, ::16] *= 40
    wide = inputs.astype(np.float64)
    seen = Statistics(inputs.min(axis=0), inputs.max(axis=0), wide.mean(axis=0), wide.T @ wide / len(wide), inputs)
    config = Recipe("uint8").layer_config(one)

    def error(quantised: QuantisedGroup) -> float:
        order = np.arange(len(one.weight)) if quantised.order is None else quantised.order
        given, start = np.zeros((len(inputs), one.weight.shape[1])), 0
        for part in quantised.parts:
            rows = order[start : start + len(part.divisors)]
            start += len(part.divisors)
            smoothed, grid = inputs[:, rows] / part.divisors, part.grids["uint8"]
            read = grid.rounded(smoothed, "uint8")
            if part.is_16bit:
                read = read + grid.of_rest("uint8").rounded(smoothed - read, "uint8")
            given += (read @ part.weight) * part.scales + part.bias_correction["uint8"]
        return float(((given - inputs @ one.weight) ** 2).mean())

    together = quantise(LinearGroup(one.name, "ffn_up", one.input, one.nodes, one.weights, one.weight), seen, config)
    assert len(together.parts) == 1
    # A layer behind a layer norm is centred, which this one could not be; its centres are in what is added.
    whole = together.parts[0]
    smoothed = (inputs - whole.centres) / whole.divisors
    read = whole.grids["uint8"].rounded(smoothed, "uint8")
    found = (read @ whole.weight) * whole.scales + whole.bias_correction["uint8"]
    assert error(quantise(one, seen, config)) < 0.5 * float(((found - inputs @ one.weight) ** 2).mean())
