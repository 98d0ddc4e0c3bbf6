"""Rounding in training beside ONNX Runtime's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper

from emberline.engine.records import Floats
from emberline.export.precision.analysis.calibration import Statistics
from emberline.export.precision.analysis.grid import nearest, weight_scales
from emberline.export.precision.analysis.layer import QuantisedGroup, quantise
from emberline.export.precision.graph.products import quantise_layers
from emberline.export.precision.graph.rewrite import Rewrite
from emberline.export.precision.linears import LinearGroup
from emberline.export.precision.recipe import LayerConfig
from emberline.export.training.fake_quant import Rounding, rounded_rows

NODES: Final = ("query", "key")
#: (24,) of both.
BIAS: Final = np.linspace(-2, 2, 24, dtype=np.float32)


@pytest.fixture(scope="module")
def inputs() -> Floats:
    """(400, 32), one channel much wider than the others, and all of them off the centre."""
    drawn = np.random.default_rng(0).standard_normal((400, 32)).astype(np.float32) + 0.3
    drawn[:, 3] *= 30
    return drawn


@pytest.fixture(scope="module", params=[False, True], ids=["8 bits", "16 bits"])
def quantised(request: pytest.FixtureRequest, inputs: Floats) -> QuantisedGroup:
    """Two linear layers that read one input, as the export quantises them."""
    weight = np.random.default_rng(1).standard_normal((32, 24)).astype(np.float32)
    wide = inputs.astype(np.float64)
    seen = Statistics(inputs.min(axis=0), inputs.max(axis=0), wide.mean(axis=0), wide.T @ wide / len(wide), inputs)
    layers = LinearGroup(
        "layer.0.attention_in", "attention_in", "x", NODES, tuple(f"{name}.weight" for name in NODES), weight
    )
    return quantise(layers, seen, LayerConfig(is_16bit=request.param))


def _onnx(quantised: QuantisedGroup, inputs: Floats, wanted: Sequence[str]) -> list[Floats]:
    """What the graph that the export writes computes of the inputs, which reach it centred."""
    biases = np.split(BIAS + quantised.bias_correction("uint8"), 2)
    weight = quantised.layers.weight
    constants = dict(zip(quantised.layers.weights, np.split(weight, 2, axis=1), strict=True))
    constants |= {f"{name}.bias": half for name, half in zip(NODES, biases, strict=True)}
    model = helper.make_model(
        helper.make_graph(
            [node for name in NODES for node in _linear(name)],
            "linears",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, weight.shape[0]])],
            [
                helper.make_tensor_value_info(f"{name}.out", TensorProto.FLOAT, [None, weight.shape[1] // 2])
                for name in NODES
            ],
            [helper.make_tensor(name, TensorProto.FLOAT, one.shape, one.ravel()) for name, one in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted if not name.endswith(".out")
    )
    graph = Rewrite(model)
    quantise_layers(graph, quantised, "uint8", {})
    graph.finish()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(found) for found in session.run(list(wanted), {"x": inputs - quantised.centres})]


def _linear(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("MatMul", ["x", f"{name}.weight"], [f"{name}.product"], name=name),
        helper.make_node("Add", [f"{name}.bias", f"{name}.product"], [f"{name}.out"], name=f"{name}.sum"),
    ]


def test_inputs_are_rounded_as_the_graph_rounds_them(quantised: QuantisedGroup, inputs: Floats) -> None:
    """Bit for bit what DequantizeLinear gives after QuantizeLinear, also of inputs that calibration did not see."""
    name = quantised.layers.name
    parts = [f"{name}.coarse", f"{name}.rest"] if quantised.is_16bit else [f"{name}.coarse"]
    beyond = inputs * 3
    wanted = np.sum(_onnx(quantised, beyond, parts), axis=0, dtype=np.float32)
    np.testing.assert_array_equal(Rounding.of(quantised).rounded(torch.from_numpy(beyond)).numpy(), wanted)


def test_weights_are_rounded_as_the_graph_stores_them(quantised: QuantisedGroup) -> None:
    """To the step that made up for the errors of the others, which is often not the nearest."""
    weight = torch.from_numpy(quantised.layers.weight.T)
    rounded = Rounding.of(quantised).weight(weight).numpy()
    np.testing.assert_array_equal(rounded, (quantised.parts[0].weight * quantised.parts[0].scales).T)
    nearest = np.rint(quantised.layers.weight * quantised.divisors[:, None] / quantised.parts[0].scales)
    assert (quantised.parts[0].weight != nearest).mean() > 0.02


def test_a_linear_layer_computes_what_the_graph_computes(quantised: QuantisedGroup, inputs: Floats) -> None:
    """Up to the order of sums."""
    rounding = Rounding.of(quantised)
    given, weight = torch.from_numpy(inputs), torch.from_numpy(quantised.layers.weight.T)
    bias = torch.from_numpy(BIAS) + rounding.bias_correction
    found = torch.nn.functional.linear(rounding.input(given), rounding.weight(weight), bias).numpy()
    wanted = np.concatenate(_onnx(quantised, inputs, [f"{name}.out" for name in NODES]), axis=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
    assert not np.allclose(wanted, inputs @ quantised.layers.weight + BIAS, atol=1e-3)


def test_gradients_pass_where_the_grid_does_not_clip(quantised: QuantisedGroup, inputs: Floats) -> None:
    """They are those of an input that is only divided, and of a weight that is only multiplied; 0 where it clips."""
    rounding = Rounding.of(quantised)
    given = torch.from_numpy(inputs).requires_grad_()
    rounding.input(given).sum().backward()
    np.testing.assert_allclose(given.grad, np.broadcast_to(1 / quantised.divisors, inputs.shape), rtol=1e-6)
    far = torch.full_like(given, 1e6, requires_grad=True)
    rounding.input(far).sum().backward()
    assert far.grad is not None
    assert float(far.grad.abs().max()) == 0
    weight = torch.from_numpy(quantised.layers.weight.T.copy()).requires_grad_()
    rounding.weight(weight).sum().backward()
    assert weight.grad is not None
    inside = weight.grad.numpy() != 0
    assert inside.mean() > 0.95
    wanted = np.broadcast_to(quantised.divisors, inside.shape)
    np.testing.assert_allclose(weight.grad.numpy()[inside], wanted[inside], rtol=1e-5)


def test_a_weight_moves_on_from_its_rounding(quantised: QuantisedGroup) -> None:
    """By as many steps of its grid as it was moved."""
    rounding, weight = Rounding.of(quantised), torch.from_numpy(quantised.layers.weight.T)
    step = rounding.scales / rounding.divisors
    steps = (rounding.weight(weight + 2 * step) / rounding.scales).round()
    before = torch.from_numpy(quantised.parts[0].weight.T)
    free = before.abs() < 60
    assert torch.equal(steps[free], (before + 2.0)[free])


def test_rows_are_rounded_as_the_table_is_stored() -> None:
    """Bit for bit; a row of zeros stays one."""
    table = np.random.default_rng(2).standard_normal((20, 16)).astype(np.float32)
    table[4] = 0
    scales = weight_scales(table.T)[:, None]
    np.testing.assert_array_equal(rounded_rows(torch.from_numpy(table)).numpy(), nearest(table, scales) * scales)
