"""Lays attention out so that ONNX Runtime's CPU kernels need no copies.

PyTorch's graph has the batch first. A Transpose then copies the queries, keys and values to put their heads before the
tokens. With the tokens first

    (L, B, H) ─ Reshape ─ (L, B, heads, H / heads)

the products of attention can stride over batch and heads themselves (`transBatchA`, `transBatchB`), and only one
Transpose of four is left, that of the result. Pooling does not need the batch first either, because the sum over the
tokens that are not padding is a product, too. All other operators of the encoder treat texts and tokens alike.
"""

from __future__ import annotations

import numpy as np
import onnx

from emberline.engine.errors import ExportError

from .rewrite import RUNTIME, Rewrite


def put_tokens_first(graph: Rewrite) -> None:
    """Make an encoder compute on (L, B, H), from its first layer norm to pooling; the graph is for ONNX Runtime only.

    Args:
        graph: the fp32 graph of a BERT encoder, as it was exported.

    Raises:
        ExportError: the attention has another form.
    """
    norms = [node for node in graph.nodes.values() if node.op_type == "LayerNormalization"]
    softmaxes = [node for node in graph.nodes.values() if node.op_type == "Softmax"]
    if not norms or not softmaxes:
        raise ExportError("the encoder's graph has no layer norms or no softmax; only BertModel encoders are quantised")
    embedded = norms[0].output[0]
    norms[0].output[0] = f"{embedded}.turned"
    graph.after(norms[0].name, [graph.node("Transpose", [norms[0].output[0]], embedded, perm=[1, 0, 2])])
    for softmax in softmaxes:
        _attend(graph, softmax)
    _pool(graph, norms[-1].output[0])


def _attend(graph: Rewrite, softmax: onnx.NodeProto) -> None:
    """Rewrite the attention of one layer around its softmax."""
    masked = graph.maker(softmax.input[0])
    scaled = _made_by(graph, masked, "Div")
    product = _made_by(graph, scaled, "MatMul")
    context = graph.reader(softmax.output[0], "MatMul")
    turned = graph.reader(context.output[0], "Transpose")
    joined = graph.reader(turned.output[0], "Reshape")
    split = [_split(graph, name) for name in (*product.input, context.input[1])]
    # The shapes were computed from that of the batch; 0 keeps the size of the input.
    heads, width = (int(graph.value(name).item()) for name in graph.maker(split[0].input[1]).input[2:])
    for reshape in split:
        reshape.input[1] = graph.constant("attention.split", np.array([0, 0, heads, width]))
    joined.input[1] = graph.constant("attention.joined", np.array([0, 0, heads * width]))
    query, key, value = (reshape.output[0] for reshape in split)
    scale = 1 / float(graph.value(scaled.input[1]))
    _replace(graph, scaled, [query, key], alpha=scale, transB=1, transBatchA=1, transBatchB=1)  # (B, heads, L, L)
    _replace(graph, context, [softmax.output[0], value], transBatchB=1)  # (B, heads, L, width)
    del turned.attribute[:]
    turned.attribute.append(onnx.helper.make_attribute("perm", [2, 0, 1, 3]))  # (L, B, heads, width)


def _pool(graph: Rewrite, states: str) -> None:
    """Sum the states of the last layer where the mask is 1, by one product instead of a multiplication and a sum."""
    masked = graph.reader(states, "Mul")
    total = graph.reader(masked.output[0], "ReduceSum")
    mask = next(name for name in masked.input if name != states)  # (B, L, 1)
    sums = f"{total.output[0]}.rows"
    graph.drop(total)
    graph.after(
        total.name,
        [
            graph.node("FusedMatMul", [mask, states], sums, domain=RUNTIME, transA=1, transBatchB=1),  # (B, 1, H)
            graph.node("Reshape", [sums, graph.constant("pooling.flat", np.array([0, -1]))], total.output[0]),
        ],
    )


def _made_by(graph: Rewrite, node: onnx.NodeProto, operator: str) -> onnx.NodeProto:
    """The node with a certain operator that makes an input of a node."""
    makers = [graph.maker(name) for name in node.input if not graph.is_constant(name)]
    node_before = next((maker for maker in makers if maker.op_type == operator), None)
    if node_before is None:
        raise ExportError(
            f"the encoder's {node.name} does not follow a {operator}; only BertModel encoders with attention written "
            "out are quantised"
        )
    return node_before


def _split(graph: Rewrite, name: str) -> onnx.NodeProto:
    """The node that splits queries, keys or values into heads, before a Transpose moves the heads to the front."""
    return graph.maker(graph.maker(name).input[0])


def _replace(graph: Rewrite, node: onnx.NodeProto, inputs: list[str], **attributes: float) -> None:
    """Replace a node by a product that reads its inputs without a copy."""
    graph.drop(node)
    graph.after(node.name, [graph.node("FusedMatMul", inputs, node.output[0], domain=RUNTIME, **attributes)])
