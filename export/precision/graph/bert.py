"""The names that transformers gives the parts of a BERT encoder, and the linear layers found in a graph by them."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from emberline.engine.errors import ExportError
from emberline.export.precision.linears import Kind, LinearGroup

#: The linear layers of a layer of BERT, and their kinds.
MODULES: Final[dict[str, Kind]] = {
    "attention/self/query": "attention_in",
    "attention/self/key": "attention_in",
    "attention/self/value": "attention_in",
    "attention/output/dense": "attention_out",
    "intermediate/dense": "ffn_up",
    "output/dense": "ffn_down",
}

#: How the names of these products end: the values of attention, and the two layers of the feed-forward network.
VALUES: Final = "/attention/self/value/MatMul"
FFN_UP: Final = "/intermediate/dense/MatMul"
FFN_DOWN: Final = "/output/dense/MatMul"

#: How the names of the embedding tables end.
WORD_EMBEDDINGS: Final = "word_embeddings.weight"
POSITION_EMBEDDINGS: Final = "position_embeddings.weight"
TYPE_EMBEDDINGS: Final = "token_type_embeddings.weight"


def find(model: onnx.ModelProto) -> list[LinearGroup]:
    """Find the linear layers of a BERT encoder's graph.

    Returns:
        The layers in the order of computation.

    Raises:
        ExportError: the graph has no linear layers, or one that does not belong to a BERT encoder.
    """
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    products: dict[tuple[str, str], list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in initializers:
            products.setdefault((_place(node.name), node.input[0]), []).append(node)
    if not products:
        raise ExportError("the encoder's graph has no linear layers with constant weights; was it fused or quantised?")
    groups = []
    for (place, source), nodes in products.items():
        weights = tuple(node.input[1] for node in nodes)
        weight = np.concatenate([numpy_helper.to_array(initializers[name]) for name in weights], axis=1)
        kind = MODULES[_module(nodes[0].name)]
        groups.append(LinearGroup(place, kind, source, tuple(node.name for node in nodes), weights, weight))
    return groups


def _place(node: str) -> str:
    """The group of a node: ``layer.3.ffn_down`` for ``/bert/encoder/layer.3/output/dense/MatMul``."""
    kind = MODULES[_module(node)]
    layer = next(part for part in node.split("/") if part.startswith("layer."))
    return f"{layer}.{kind}"


def _module(node: str) -> str:
    """The module of a node: ``output/dense`` for ``/bert/encoder/layer.3/output/dense/MatMul``."""
    for suffix in MODULES:
        if node.endswith(f"/{suffix}/MatMul") and "/layer." in node:
            return suffix
    raise ExportError(
        f"the graph's MatMul {node} has no place in a BERT encoder; only BertModel encoders are quantised"
    )


def block(node: str) -> str:
    """The Transformer layer to which a node of attention belongs."""
    return node.partition("/attention/")[0]
