"""Taking the centre of each channel off what linear layers read, for nothing.

Inputs of a Transformer's linear layers lie around a value of their own in each channel, some of them far from zero.
What is in front of most layers adds a bias, from which the centres can be taken; what the layer makes of them goes into
its own bias:

    layer norm (β − c) ─┬─ linear (b + W c) ─ …
                        └───────── + ── linear (b + c)          values (b − c) ─ attention ─ linear (b + W c)

The layer norm's output is also the residual, to which the layer behind adds them again. Attention mixes tokens with
weights whose sum is 1, so that a constant passes through it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import onnx

from emberline.engine.errors import ExportError
from emberline.engine.records import Floats
from emberline.export.precision.analysis.layer import Quantised
from emberline.export.precision.recipe import Activations

from .bert import VALUES, block
from .rewrite import Rewrite

#: Of a layer norm's inputs, the one that is added at the end.
_BETA: Final = 2


def centre_inputs(graph: Rewrite, quantised: Iterable[Quantised], activations: Activations) -> None:
    """Let layers that are to be quantised read centred inputs, and make up for it and for their mean rounding error.

    Args:
        graph: of a BERT encoder in fp32.
        quantised: the layers.
        activations: how their inputs are stored.

    Raises:
        ExportError: what is in front of a layer, or behind it, has no bias.
    """
    for one in quantised:
        amends, start = one.amends(activations), 0
        for node in one.layers.nodes:
            total = _sum(graph, graph.nodes[node])
            width = graph.value(_bias(graph, total)).size
            _add(graph, total, amends[start : start + width])
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
    """Add values to the constant that a node adds; equal ones are stored once, so this node gets one of its own."""
    old = _bias(graph, node)
    graph.exchange(node, old, graph.constant(f"{node.name}.bias", graph.value(old) + values))
