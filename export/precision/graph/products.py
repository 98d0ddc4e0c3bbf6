"""Replaces the fp32 product of a linear layer by 8-bit products.

Inputs for which 8 bits are too few are stored in 16, as two parts of 8 that are multiplied by the same weight:

    x/s ─ Quantize ─ Dequantize ─┬─ MatMul ─┐
     └─────── Sub ───────────────┘          + ─ …
               └─ Quantize ─ Dequantize ─ MatMul ─┘

Behind a GELU, `ordering` puts the noisiest channels first. These always have 16 bits, with scales of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from emberline.engine.records import Floats
from emberline.export.precision.analysis.grid import Grid
from emberline.export.precision.analysis.layer import QuantisedGroup, QuantisedPart
from emberline.export.precision.recipe import Activations

from .rewrite import RUNTIME, Rewrite


def quantise_layers(
    graph: Rewrite, one: QuantisedGroup, activations: Activations, smoothed: Mapping[str, Floats]
) -> None:
    """Make linear layers multiply 8-bit activations by 8-bit weights.

    Args:
        graph: the graph; the inputs of the layers are centred, and the sum with a bias follows each product.
        one: the quantised layers.
        activations: how their inputs are stored.
        smoothed: smoothing that is folded into earlier weights. It maps the node of a product to what its columns are
            multiplied by, and the name of a group of layers whose inputs are already smoothed to the same.

    Raises:
        ExportError: a product is not followed by the sum with one constant.
    """
    name, source = one.layers.name, one.layers.input
    nodes: list[onnx.NodeProto] = []
    if name not in smoothed:
        factor = graph.constant(f"{name}.smoothing", 1 / one.divisors)
        nodes.append(graph.node("Mul", [source, factor], source := f"{name}.smoothed"))
    parts: dict[str, QuantisedPart] = {}
    start = 0
    for part in one.parts:
        own = name if len(one.parts) == 1 else f"{name}.from.{start}"
        rows = slice(start, start := start + len(part.divisors))
        nodes += _read(graph, own, part, source, None if own == name else rows, activations)
        parts[own] = part
    graph.before(one.layers.nodes[0], nodes)
    start = 0
    for place, (node, weight) in enumerate(zip(one.layers.nodes, one.layers.weights, strict=True)):
        columns = slice(start, start := start + graph.value(weight).shape[1])
        factors = smoothed.get(node, np.ones(1, np.float32))
        pairs = []
        for own, part in parts.items():
            stored = _store(graph, f"{own}.weight.{place}", part, columns, factors)
            pairs += [(f"{own}.{read}", stored) for read in (("coarse", "rest") if part.is_16bit else ("coarse",))]
        bias = _bias(graph, node, f"{name}.bias.{place}", factors)
        multiply = _multiply if activations == "uint8" else _multiply_standard
        multiply(graph, node, pairs, bias)


def _read(
    graph: Rewrite, name: str, part: QuantisedPart, source: str, rows: slice | None, activations: Activations
) -> list[onnx.NodeProto]:
    """Round inputs to their grid; with 16 bits, round the residual to a second one.

    Args:
        graph: receives the constants.
        name: the name of the part.
        part: the part that reads the inputs.
        source: the tensor that holds the inputs.
        rows: their channels in that tensor; None: all.
        activations: how they are stored.
    """
    grid = part.grids[activations]
    if rows is not None and activations == "uint8" and not part.is_16bit:
        # All channels are rounded: on a CPU, copying some of them as floats would take longer.
        nodes = _round(graph, source, f"{name}.all", grid, activations)
        nodes.append(_slice(graph, f"{name}.all.quantised", f"{name}.coarse.quantised", rows))
        return nodes + _stored(graph, f"{name}.coarse", grid, activations)
    nodes = []
    if rows is not None:
        nodes.append(_slice(graph, source, source := f"{name}.inputs", rows))
    nodes += _round(graph, source, f"{name}.coarse", grid, activations)
    if part.is_16bit:
        nodes.append(graph.node("Sub", [source, f"{name}.coarse"], f"{name}.left"))
        nodes += _round(graph, f"{name}.left", f"{name}.rest", grid.of_rest(activations), activations)
    return nodes


def _round(graph: Rewrite, source: str, target: str, grid: Grid, activations: Activations) -> list[onnx.NodeProto]:
    """Round a tensor to its grid, quantised and dequantised; `Rewrite.finish` drops the form that nothing reads."""
    last = _stored(graph, target, grid, activations)
    return [graph.node("QuantizeLinear", [source, *last[0].input[1:]], f"{target}.quantised"), *last]


def _stored(graph: Rewrite, target: str, grid: Grid, activations: Activations) -> list[onnx.NodeProto]:
    """Dequantise a tensor."""
    scale = graph.constant(f"{target}.scale", np.array(grid.scale))
    zero = graph.constant(f"{target}.zero_point", np.array(grid.zero_point, np.dtype(activations)))
    return [graph.node("DequantizeLinear", [f"{target}.quantised", scale, zero], target)]


def _slice(graph: Rewrite, source: str, target: str, rows: slice) -> onnx.NodeProto:
    ends = {"from": rows.start, "to": rows.stop, "axis": -1}
    return graph.node(
        "Slice", [source, *(graph.constant(f"{target}.{end}", np.array([at])) for end, at in ends.items())], target
    )


def _store(graph: Rewrite, weight: str, part: QuantisedPart, columns: slice, factors: Floats) -> list[str]:
    """Store a weight in 8 bits; the names of the weight, its scales and its zero points."""
    return [
        graph.constant(f"{weight}.quantised", part.weight[:, columns]),
        graph.constant(f"{weight}.scale", part.scales[columns] * factors),
        graph.constant(f"{weight}.zero_point", np.zeros_like(part.weight[0, columns])),
    ]


def _bias(graph: Rewrite, product: str, name: str, factors: Floats) -> onnx.NodeProto:
    """The node that adds the bias to a product, with the bias as its first input."""
    node = graph.reader(graph.nodes[product].output[0], "Add")
    bias = graph.value(graph.constant_of(node))
    node.input[:] = [graph.constant(name, bias * factors), graph.nodes[product].output[0]]
    return node


def _multiply(graph: Rewrite, name: str, pairs: Sequence[tuple[str, Sequence[str]]], bias: onnx.NodeProto) -> None:
    """Multiply parts of the input by their weights and add the bias with ONNX Runtime's kernel."""
    products: list[str] = []
    nodes = []
    for part, (weight, scale, zero) in pairs:
        inputs = [f"{part}.quantised", weight, f"{part}.scale", scale, f"{part}.zero_point", zero]
        products.append(f"{name}.{len(products)}" if len(pairs) > 1 else bias.output[0])
        nodes.append(graph.node("MatMulIntegerToFloat", inputs, products[-1], domain=RUNTIME))
    nodes[0].input.append(bias.input[0])
    graph.after(bias.name, nodes + _sums(graph, products, bias.output[0]))
    graph.drop(graph.nodes[name])
    graph.drop(bias)


def _multiply_standard(
    graph: Rewrite, name: str, pairs: Sequence[tuple[str, Sequence[str]]], bias: onnx.NodeProto
) -> None:
    """Multiply each part of the input by its weight in 8 bits with a standard MatMul."""
    products: list[str] = []
    nodes = []
    for part, stored in pairs:
        products.append(f"{name}.{len(products)}" if len(pairs) > 1 else graph.nodes[name].output[0])
        # Each product has its own DequantizeLinear, because runtimes do not fuse one that several nodes read.
        weight = f"{stored[0]}.{part}"
        nodes.append(graph.node("DequantizeLinear", list(stored), weight, axis=1))
        nodes.append(graph.node("MatMul", [part, weight], products[-1]))
    graph.after(name, nodes + _sums(graph, products, bias.input[1]))
    graph.drop(graph.nodes[name])


def _sums(graph: Rewrite, products: Sequence[str], total: str) -> list[onnx.NodeProto]:
    """Add several products up."""
    nodes = []
    sofar = products[0]
    for place, product in enumerate(products[1:], 2):
        sum_ = total if place == len(products) else f"{total}.{place}"
        nodes.append(graph.node("Add", [sofar, product], sum_))
        sofar = sum_
    return nodes
