"""Int8 with static activation scales, as a graph: QuantizeLinear and DequantizeLinear around each linear layer.

    x ─ Mul 1/s ─ Quantize ─ Dequantize ─┐
                     int8 weight · s ─ Dequantize ─ MatMul ─ + bias …

Runtimes fuse that into products of 8-bit integers with 32-bit sums. Static scales, because one that is taken from the
batch makes a text's vector depend on its companions. The smoothing is an explicit product: in a post-norm BERT what
feeds a layer also feeds the residual, so that it cannot be folded into the layer norm before. Outputs, attention
products, norms and softmax stay fp32: they are a tenth of the arithmetic and most of the error.

The table of word embeddings, half of MiniLM, is stored as int8 with a scale for each row and read as fp32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emberline.engine.errors import ExportError
from emberline.engine.records import Floats

from .calibration import Statistics
from .grid import Activations, Grid, nearest, weight_scales
from .linears import Linears
from .rounding import compensated
from .smoothing import input_grid, smooth

_EMBEDDINGS: Final = "word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class Quantised:
    """Linear layers in 8 bits.

    Attributes:
        layers: which.
        alpha: how far their inputs' spread was moved into the weight.
        divisors: (K,) what the inputs are divided by.
        weight: (K, N) on its grid.
        scales: (N,) of its columns.
        grids: of the smoothed inputs, by how they are stored.
    """

    layers: Linears
    alpha: float
    divisors: Floats
    weight: NDArray[np.int8]
    scales: Floats
    grids: Mapping[Activations, Grid]


def quantise(layers: Linears, statistics: Statistics) -> Quantised:
    """Choose the smoothing, the scales and the rounding of linear layers. They serve both forms of activations."""
    divisors, alpha = smooth(statistics, layers.weight, "uint8")
    grids: dict[Activations, Grid] = {form: input_grid(statistics, divisors, form) for form in ("uint8", "int8")}
    smoothed = layers.weight * divisors[:, None]
    scales = weight_scales(smoothed)
    moments = statistics.moments / np.outer(divisors, divisors)
    moments[np.diag_indices_from(moments)] += float(grids["uint8"].scale) ** 2 / 12  # the noise of rounding the inputs
    return Quantised(layers, alpha, divisors, compensated(smoothed, scales, moments), scales, grids)


def write(source: Path, target: Path, quantised: Sequence[Quantised], activations: Activations) -> None:
    """Write an encoder with linear layers in 8 bits; those that are not given stay fp32.

    Args:
        source: the fp32 encoder.
        target: the int8 encoder.
        quantised: of its layers.
        activations: how they are stored; ``int8`` also leaves the embeddings in fp32, for TensorRT cannot read rows of
            8-bit integers.
    """
    model = onnx.load(source)
    graph = _Rewrite(model)
    for one in quantised:
        graph.quantise(one, activations)
    if activations == "uint8":
        graph.store_embeddings()
    graph.finish()
    onnx.checker.check_model(model)
    onnx.save(model, target)


class _Rewrite:
    """A graph being rewritten: new nodes stand before or after old ones, new constants take the place of old ones."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._nodes = {node.name: node for node in self._graph.node}
        self._before: dict[str, list[onnx.NodeProto]] = {}
        self._after: dict[str, list[onnx.NodeProto]] = {}
        self._constants: list[onnx.TensorProto] = []
        self._dropped: set[str] = set()

    def quantise(self, one: Quantised, activations: Activations) -> None:
        layers, grid = one.layers, one.grids[activations]
        name = layers.name
        factor = self._constant(f"{name}.smoothing", 1 / one.divisors)
        scale = self._constant(f"{name}.scale", np.array(grid.scale))
        zero = self._constant(f"{name}.zero_point", np.array(grid.zero_point, np.dtype(activations)))
        nodes = [
            self._node("Mul", [layers.input, factor], f"{name}.smoothed"),
            self._node("QuantizeLinear", [f"{name}.smoothed", scale, zero], f"{name}.quantised"),
            self._node("DequantizeLinear", [f"{name}.quantised", scale, zero], f"{name}.dequantised"),
        ]
        start = 0
        for place, (node_name, weight_name) in enumerate(zip(layers.nodes, layers.weights, strict=True)):
            node = self._nodes[node_name]
            part = slice(start, start := start + self._columns(weight_name))
            weight = f"{name}.weight.{place}"
            inputs = [
                self._constant(f"{weight}.quantised", one.weight[:, part]),
                self._constant(f"{weight}.scale", one.scales[part]),
                self._constant(f"{weight}.zero_point", np.zeros_like(one.weight[0, part])),
            ]
            nodes.append(self._node("DequantizeLinear", inputs, weight, axis=1))
            node.input[:] = [f"{name}.dequantised", weight]
            self._dropped.add(weight_name)
        self._before[layers.nodes[0]] = nodes

    def store_embeddings(self) -> None:
        node = next((one for one in self._graph.node if one.op_type == "Gather" and _EMBEDDINGS in one.input[0]), None)
        if node is None:
            raise ExportError(f"the encoder's graph reads no {_EMBEDDINGS}; only BertModel encoders are quantised")
        table = self._value(node.input[0])  # (vocabulary, H)
        scales = weight_scales(table.T)  # (vocabulary,) a row is a token
        rows = nearest(table, scales[:, None]).astype(np.int8)
        self._dropped.add(node.input[0])
        ids, embedding = node.input[1], node.output[0]
        node.input[0] = self._constant("embeddings.quantised", rows)
        node.output[0] = "embeddings.rows"
        self._after[node.name] = [
            self._node("Cast", ["embeddings.rows"], "embeddings.steps", to=TensorProto.FLOAT),
            self._node("Gather", [self._constant("embeddings.scale", scales[:, None]), ids], "embeddings.scales"),
            self._node("Mul", ["embeddings.steps", "embeddings.scales"], embedding),
        ]

    def finish(self) -> None:
        ordered = []
        for node in self._graph.node:
            ordered += [*self._before.get(node.name, []), node, *self._after.get(node.name, [])]
        kept = [tensor for tensor in self._graph.initializer if tensor.name not in self._dropped]
        del self._graph.node[:]
        self._graph.node.extend(ordered)
        del self._graph.initializer[:]
        self._graph.initializer.extend([*kept, *self._constants])

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(operator, inputs, [output], f"{output}.{operator}", **attributes)

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _value(self, name: str) -> NDArray[Any]:
        value: NDArray[Any] = numpy_helper.to_array(self._initializer(name))
        return value

    def _columns(self, name: str) -> int:
        return int(self._initializer(name).dims[1])

    def _initializer(self, name: str) -> onnx.TensorProto:
        return next(tensor for tensor in self._graph.initializer if tensor.name == name)
