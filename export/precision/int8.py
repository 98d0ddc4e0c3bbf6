"""Writes int8 graphs with static activation scales, in two forms: one for CPUs, and standard ONNX for TensorRT.

The TensorRT form has QuantizeLinear and DequantizeLinear around each linear layer. TensorRT fuses them into products of
8-bit integers with 32-bit sums:

    x ─ Mul 1/s ─ Quantize ─ Dequantize ─┐
                     int8 weight · s ─ Dequantize ─ MatMul ─ + bias …

The CPU form is for ONNX Runtime only and names the fused kernel itself. If ONNX Runtime fused the standard form, it
would add the bias in a separate pass; the kernel adds it while the sums are in registers:

    x ─ Mul 1/s ─ Quantize ─ MatMulIntegerToFloat (int8 weight · s, bias) …

`graph.attention` and `graph.embeddings` also lay out its attention and embeddings for the CPU.

Scales are static, because a scale taken from the batch would make a text's vector depend on the other texts. Smoothing
is an explicit multiplication: in a post-norm BERT the input of a layer also feeds the residual, so it cannot be folded
into the layer norm. The output of attention has a single reader, so its smoothing is folded into the weights of the
values. Outputs, attention products, norms and softmax stay fp32: they are a tenth of the arithmetic and most of the
error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from emberline.engine.records import Floats

from .analysis.layer import QuantisedGroup
from .graph.attention import put_tokens_first
from .graph.bert import VALUES, block
from .graph.centring import centre_inputs
from .graph.embeddings import add_token_types, halve_words, store_words
from .graph.ordering import order_channels
from .graph.products import quantise_layers
from .graph.rewrite import Rewrite
from .recipe import Activations


def write(
    source: Path,
    target: Path,
    quantised: Sequence[QuantisedGroup],
    activations: Activations,
    *,
    embeddings: bool = True,
) -> None:
    """Write an encoder with linear layers in 8 bits; layers that are not given stay fp32.

    Args:
        source: the file of the fp32 encoder.
        target: the file of the int8 encoder.
        quantised: the quantised layers.
        activations: how activations are stored.
        embeddings: whether the word embeddings are stored in 8 bits; with ``int8`` in 16, because TensorRT cannot read
            rows of 8-bit integers.
    """
    model = onnx.load(source)
    graph = Rewrite(model)
    quantised = order_channels(graph, quantised)
    centre_inputs(graph, quantised, activations)
    smoothed = _smoothed_values(quantised)
    for one in quantised:
        quantise_layers(graph, one, activations, smoothed)
    if activations == "uint8":
        put_tokens_first(graph)
        add_token_types(graph)
        if embeddings:
            store_words(graph)
    elif embeddings:
        halve_words(graph)
    graph.finish()
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _smoothed_values(quantised: Sequence[QuantisedGroup]) -> dict[str, Floats]:
    """What the columns of attention's values are multiplied by, so that the layer behind reads smoothed inputs.

    This works because attention mixes tokens, not channels. The keys are the nodes of the values and the names of the
    layers behind.
    """
    values = {block(node): node for one in quantised for node in one.layers.nodes if node.endswith(VALUES)}
    factors: dict[str, Floats] = {}
    for one in quantised:
        value = values.get(block(one.layers.nodes[0]))
        if one.layers.kind == "attention_out" and value is not None:
            factors[value] = factors[one.layers.name] = np.reciprocal(one.divisors)
    return factors
