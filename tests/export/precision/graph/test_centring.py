from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import ExportError
from emberline.engine.records import Encoding, Floats
from emberline.export.precision.analysis.calibration import Statistics, observe
from emberline.export.precision.analysis.layer import QuantisedGroup
from emberline.export.precision.graph.centring import centre_inputs
from emberline.export.precision.graph.rewrite import Rewrite
from emberline.export.precision.linears import LinearGroup
from emberline.export.precision.recipe import Activations, Recipe

FORMS: tuple[Activations, ...] = ("uint8", "int8")
Parts = Callable[[Recipe], list[QuantisedGroup]]
Vectors = Callable[[Path], Floats]


def _exact(quantised: QuantisedGroup) -> QuantisedGroup:
    """The same layers without rounding: their bias correction is the product of weight and centres."""
    correction = np.asarray(quantised.centres @ quantised.layers.weight, np.float32)
    nothing = np.zeros_like(correction)
    first, *others = quantised.parts
    parts = [replace(first, bias_correction=dict.fromkeys(FORMS, correction))]
    return replace(
        quantised, parts=(*parts, *(replace(one, bias_correction=dict.fromkeys(FORMS, nothing)) for one in others))
    )


def _centred(source: Path, target: Path, quantised: list[QuantisedGroup]) -> Path:
    model = onnx.load(source)
    graph = Rewrite(model)
    centre_inputs(graph, quantised, "uint8")
    graph.finish()
    onnx.save(model, target)
    return target


@pytest.mark.parametrize("fp32", [(), ("attention_in",), ("ffn_down", "attention_out")])
def test_nothing_but_the_inputs_changes(
    fp32: tuple[str, ...], small_graphs: BundleLayout, parts: Parts, vectors: Vectors, tmp_path: Path
) -> None:
    """Centres that are subtracted in front of a layer are added behind it and to the residual."""
    source = small_graphs.encoder("fp32")
    quantised = [_exact(one) for one in parts(Recipe("uint8", fp32=frozenset(fp32)))]
    assert any(np.abs(one.centres).max() > 0.1 for one in quantised)
    found = vectors(_centred(source, tmp_path / "centred.onnx", quantised))
    np.testing.assert_allclose(found, vectors(source), atol=1e-5)


def test_inputs_reach_as_far_below_zero_as_above(
    small_graphs: BundleLayout, layers: list[LinearGroup], encodings: list[Encoding], parts: Parts, tmp_path: Path
) -> None:
    """Inputs are centred in every channel, except behind a GELU, where no bias can do it."""
    source = small_graphs.encoder("fp32")
    path = _centred(source, tmp_path / "centred.onnx", [_exact(one) for one in parts(Recipe("uint8"))])
    seen: list[Statistics] = observe(path, layers, encodings)
    for one, statistics in zip(layers, seen, strict=True):
        if one.kind == "ffn_down":
            assert statistics.low.min() > -0.2
        else:
            np.testing.assert_allclose(statistics.low, -statistics.high, atol=1e-4)


def test_the_mean_error_of_rounding_is_made_up_for(parts: Parts) -> None:
    """With bias correction the mean output of a layer is that of fp32, even for inputs off the grid."""
    plain = {one.layers.name: one for one in parts(Recipe("uint8"))}
    for one in plain.values():
        exact = _exact(one).bias_correction("uint8")
        off = np.abs(one.bias_correction("uint8") - exact).max()
        assert 0 < off < 0.1 * max(1.0, float(np.abs(exact).max()))


def test_a_layer_without_a_bias_behind_it_is_refused(small_graphs: BundleLayout, parts: Parts, tmp_path: Path) -> None:
    """A layer without a bias behind it is rejected, because its centre would silently be lost."""
    model = onnx.load(small_graphs.encoder("fp32"))
    bias = "bert.encoder.layer.0.attention.output.dense.bias"
    for node in model.graph.node:
        if node.op_type == "Add" and bias in node.input:
            node.input[:] = [node.input[0], node.input[0]] if node.input[1] == bias else [node.input[1]] * 2
    onnx.save(model, tmp_path / "corrupted.onnx")
    with pytest.raises(ExportError, match="reads 0 constants in place of one weight or bias"):
        _centred(tmp_path / "corrupted.onnx", tmp_path / "centred.onnx", parts(Recipe("uint8")))
