"""The linear layers of an encoder's graph: what there is to quantise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from emberline.engine.errors import ExportError
from emberline.engine.records import Floats

from .recipe import Kind

#: Where the linear layers are within a layer of BERT's, by the names that transformers gives them.
MODULES: Final[dict[str, Kind]] = {
    "attention/self/query": "attention_in",
    "attention/self/key": "attention_in",
    "attention/self/value": "attention_in",
    "attention/output/dense": "attention_out",
    "intermediate/dense": "ffn_up",
    "output/dense": "ffn_down",
}


@dataclass(frozen=True, slots=True)
class Linears:
    """Linear layers that read the same input, hence share its quantiser.

    Attributes:
        name: e.g. ``layer.3.ffn_down``.
        kind: what part of a Transformer layer they are.
        input: the tensor that they read, (…, K).
        nodes: the names of their MatMul nodes.
        weights: the names of their weights, in the nodes' order.
        weight: (K, N) their weights side by side.
    """

    name: str
    kind: Kind
    input: str
    nodes: tuple[str, ...]
    weights: tuple[str, ...]
    weight: Floats


def find(model: onnx.ModelProto) -> list[Linears]:
    """The linear layers of a BERT encoder's graph, in the order of computation.

    Raises:
        ExportError: the graph has none, or one that has no place in a BERT encoder.
    """
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[tuple[str, str], list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in initializers:
            found.setdefault((_place(node.name), node.input[0]), []).append(node)
    if not found:
        raise ExportError("the encoder's graph has no linear layers with constant weights; was it fused or quantised?")
    groups = []
    for (place, source), nodes in found.items():
        weights = tuple(node.input[1] for node in nodes)
        weight = np.concatenate([numpy_helper.to_array(initializers[name]) for name in weights], axis=1)
        kind = MODULES[_module(nodes[0].name)]
        groups.append(Linears(place, kind, source, tuple(node.name for node in nodes), weights, weight))
    return groups


def _place(node: str) -> str:
    """``/bert/encoder/layer.3/output/dense/MatMul`` is at ``layer.3.ffn_down``."""
    kind = MODULES[_module(node)]
    layer = next(part for part in node.split("/") if part.startswith("layer."))
    return f"{layer}.{kind}"


def _module(node: str) -> str:
    """``/bert/encoder/layer.3/output/dense/MatMul`` belongs to ``output/dense``."""
    for suffix in MODULES:
        if node.endswith(f"/{suffix}/MatMul") and "/layer." in node:
            return suffix
    raise ExportError(
        f"the graph's MatMul {node} has no place in a BERT encoder; only BertModel encoders are quantised"
    )
