"""Int8 with static activation scales, as a graph: QuantizeLinear and DequantizeLinear around each linear layer.

    x ─ Mul 1/s ─ Quantize ─ Dequantize ─┐
                     int8 weight · s ─ Dequantize ─ MatMul ─ + bias …

Runtimes fuse that into products of 8-bit integers with 32-bit sums. Static scales, because one that is taken from the
batch makes a text's vector depend on its companions. The smoothing is an explicit product: in a post-norm BERT what
feeds a layer also feeds the residual, so that it cannot be folded into the layer norm before. Outputs, attention
products, norms and softmax stay fp32: they are a tenth of the arithmetic and most of the error.

Where 8 bits are too few for the inputs of a layer, it gets 16 as two parts of 8, each multiplied by the same weight:

    x/s ─ Quantize ─ Dequantize ─┬─ MatMul ─┐
     └─────── Sub ───────────────┘          + ─ …
               └─ Quantize ─ Dequantize ─ MatMul ─┘

The table of word embeddings, half of MiniLM, is stored as int8 with a scale for each row and read as fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto

from emberline.engine.errors import ExportError

from .grid import Activations, Grid, nearest, weight_scales
from .layer import Quantised
from .rewrite import Rewrite

#: Ends the name of the table of word embeddings.
EMBEDDINGS: Final = "word_embeddings.weight"


def write(
    source: Path,
    target: Path,
    quantised: Sequence[Quantised],
    activations: Activations,
    *,
    embeddings: bool = True,
) -> None:
    """Write an encoder with linear layers in 8 bits; those that are not given stay fp32.

    Args:
        source: the fp32 encoder.
        target: the int8 encoder.
        quantised: of its layers.
        activations: how they are stored; ``int8`` also leaves the embeddings in fp32, for TensorRT cannot read rows of
            8-bit integers.
        embeddings: whether the word embeddings are stored in 8 bits.
    """
    model = onnx.load(source)
    graph = Rewrite(model)
    for one in quantised:
        quantise_layers(graph, one, activations)
    if embeddings and activations == "uint8":
        _store_embeddings(graph)
    graph.finish()
    onnx.checker.check_model(model)
    onnx.save(model, target)


def quantise_layers(graph: Rewrite, one: Quantised, activations: Activations) -> None:
    """Let linear layers of a graph that is being rewritten read 8 bits on both sides."""
    name, grid = one.layers.name, one.grids[activations]
    factor = graph.constant(f"{name}.smoothing", 1 / one.divisors)
    smoothed = f"{name}.smoothed"
    parts = [f"{name}.coarse"]
    nodes = [graph.node("Mul", [one.layers.input, factor], smoothed)]
    nodes += _round(graph, smoothed, parts[0], grid, activations)
    if one.fine:
        parts.append(f"{name}.rest")
        nodes.append(graph.node("Sub", [smoothed, parts[0]], f"{name}.left"))
        nodes += _round(graph, f"{name}.left", parts[1], grid.of_rest(activations), activations)
    graph.before(one.layers.nodes[0], nodes)
    start = 0
    for place, (node, weight) in enumerate(zip(one.layers.nodes, one.layers.weights, strict=True)):
        columns = slice(start, start := start + graph.value(weight).shape[1])
        _multiply(graph, node, parts, f"{name}.weight.{place}", one, columns)


def _round(graph: Rewrite, source: str, target: str, grid: Grid, activations: Activations) -> list[onnx.NodeProto]:
    scale = graph.constant(f"{target}.scale", np.array(grid.scale))
    zero = graph.constant(f"{target}.zero_point", np.array(grid.zero_point, np.dtype(activations)))
    return [
        graph.node("QuantizeLinear", [source, scale, zero], f"{target}.quantised"),
        graph.node("DequantizeLinear", [f"{target}.quantised", scale, zero], target),
    ]


def _multiply(graph: Rewrite, name: str, parts: Sequence[str], weight: str, one: Quantised, columns: slice) -> None:
    """Let a MatMul read the parts of its input and its weight in 8 bits."""
    stored = [
        graph.constant(f"{weight}.quantised", one.weight[:, columns]),
        graph.constant(f"{weight}.scale", one.scales[columns]),
        graph.constant(f"{weight}.zero_point", np.zeros_like(one.weight[0, columns])),
    ]
    node = graph.nodes[name]
    product = node.output[0]
    # Each product has a DequantizeLinear of its own: runtimes fuse only one that nothing else reads.
    graph.before(name, [graph.node("DequantizeLinear", stored, weight, axis=1)])
    node.input[:] = [parts[0], weight]
    if len(parts) == 2:
        node.output[0] = f"{weight}.product"
        graph.after(
            name,
            [
                graph.node("DequantizeLinear", stored, f"{weight}.again", axis=1),
                graph.node("MatMul", [parts[1], f"{weight}.again"], f"{weight}.rest"),
                graph.node("Add", [f"{weight}.product", f"{weight}.rest"], product),
            ],
        )


def _store_embeddings(graph: Rewrite) -> None:
    found = (node for node in graph.nodes.values() if node.op_type == "Gather" and EMBEDDINGS in node.input[0])
    node = next(found, None)
    if node is None:
        raise ExportError(f"the encoder's graph reads no {EMBEDDINGS}; only BertModel encoders are quantised")
    table = graph.value(node.input[0])  # (vocabulary, H)
    scales = weight_scales(table.T)[:, None]  # (vocabulary, 1) a row is a token
    ids, embedding = node.input[1], node.output[0]
    node.input[0] = graph.constant("embeddings.quantised", nearest(table, scales).astype(np.int8))
    node.output[0] = "embeddings.rows"
    graph.after(
        node.name,
        [
            graph.node("Cast", ["embeddings.rows"], "embeddings.steps", to=TensorProto.FLOAT),
            graph.node("Gather", [graph.constant("embeddings.scale", scales), ids], "embeddings.scales"),
            graph.node("Mul", ["embeddings.steps", "embeddings.scales"], embedding),
        ],
    )
