"""Centres the inputs of linear layers at no cost.

Each channel of these inputs varies around a value of its own, sometimes far from zero. Most layers follow an operation
that adds a bias, from which the centres c can be subtracted. The layer's own bias absorbs the effect:

    layer norm (β − c) ─┬─ linear (b + W c) ─ …
                        └───────── + ── linear (b + c)          values (b − c) ─ attention ─ linear (b + W c)

The output of the layer norm is also the residual, so the layer behind adds the centres again. Attention mixes tokens
with weights that sum to 1, so a constant passes through it unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import onnx

from emberline.engine.errors import ExportError
from emberline.engine.records import Floats
from emberline.export.precision.analysis.layer import QuantisedGroup
from emberline.export.precision.recipe import Activations

from .bert import VALUES, block
from .rewrite import Rewrite

#: Which input of a layer norm is added at the end.
_BETA: Final = 2


def centre_inputs(graph: Rewrite, quantised: Iterable[QuantisedGroup], activations: Activations) -> None:
    """Centre the inputs of the layers that will be quantised, and add the bias corrections.

    Args:
        graph: the fp32 graph of a BERT encoder.
        quantised: the layers.
        activations: how their inputs are stored.

    Raises:
        ExportError: the operation in front of a layer, or behind it, has no bias.
    """
    for one in quantised:
        correction, start = one.bias_correction(activations), 0
        for node in one.layers.nodes:
            total = _sum(graph, graph.nodes[node])
            width = graph.value(_bias(graph, total)).size
            _add(graph, total, correction[start : start + width])
            start += width
        if not one.centres.any():
            continue
        if one.layers.kind == "attention_out":
            values = graph.nodes[f"{block(one.layers.nodes[0])}{VALUES}"]
            _add(graph, _sum(graph, values), -one.centres)
        else:
            norm = graph.maker(one.layers.input)
            residual = graph.reader(one.layers.input, "Add")
            behind = next(graph.maker(name) for name in residual.input if name != one.layers.input)
            _add(graph, norm, -one.centres)
            _add(graph, behind, one.centres)


def _sum(graph: Rewrite, product: onnx.NodeProto) -> onnx.NodeProto:
    return graph.reader(product.output[0], "Add")


def _bias(graph: Rewrite, node: onnx.NodeProto) -> str:
    """The constant that a node adds."""
    if node.op_type == "LayerNormalization":
        return str(node.input[_BETA])
    if node.op_type != "Add":
        raise ExportError(f"the encoder's {node.name} adds no bias; only BertModel encoders are quantised")
    return graph.constant_of(node)


def _add(graph: Rewrite, node: onnx.NodeProto, values: Floats) -> None:
    """Add values to the constant that a node adds. Nodes may share one, so this node gets a constant of its own."""
    old = _bias(graph, node)
    graph.exchange(node, old, graph.constant(f"{node.name}.bias", graph.value(old) + values))
