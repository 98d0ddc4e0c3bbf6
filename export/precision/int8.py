"""Int8 with static activation scales, as a graph. In two forms: one for CPUs, one that is standard ONNX, for TensorRT.

TensorRT's has QuantizeLinear and DequantizeLinear around each linear layer, which it fuses into products of 8-bit
integers with 32-bit sums:

    x ─ Mul 1/s ─ Quantize ─ Dequantize ─┐
                     int8 weight · s ─ Dequantize ─ MatMul ─ + bias …

The CPU's, for ONNX Runtime alone, names the kernel that this becomes there. Left to fuse it, ONNX Runtime adds the bias
in a pass of its own; the kernel adds it to the sums while they are in registers:

    x ─ Mul 1/s ─ Quantize ─ MatMulIntegerToFloat (int8 weight · s, bias) …

and its attention and embeddings are laid out for the CPU by `attention` and `embeddings`.

Static scales, because one that is taken from the batch makes a text's vector depend on its companions. The smoothing
is an explicit product: in a post-norm BERT what feeds a layer also feeds the residual, so that it cannot be folded into
the layer norm before. Only what attention gives is read by one layer alone: the weights of its values are smoothed
instead. Outputs, attention products, norms and softmax stay fp32: they are a tenth of the arithmetic and most of the
error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from emberline.engine.records import Floats

from .analysis.layer import Quantised
from .graph.attention import put_tokens_first
from .graph.bert import VALUES, block
from .graph.centring import centre_inputs
from .graph.embeddings import add_token_types, store_words
from .graph.ordering import order_channels
from .graph.products import quantise_layers
from .graph.rewrite import Rewrite
from .recipe import Activations


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
    graph.finish()
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _smoothed_values(quantised: Sequence[Quantised]) -> dict[str, Floats]:
    """What the columns of values are multiplied by, so that attention gives what the layer behind it reads.

    Attention mixes tokens, not channels. By the names of the values' nodes, and of the layers behind.
    """
    values = {block(node): node for one in quantised for node in one.layers.nodes if node.endswith(VALUES)}
    factors: dict[str, Floats] = {}
    for one in quantised:
        value = values.get(block(one.layers.nodes[0]))
        if one.layers.kind == "attention_out" and value is not None:
            factors[value] = factors[one.layers.name] = np.reciprocal(one.divisors)
    return factors
