"""Read access to an ONNX graph by the names of its tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import onnx


class GraphView:
    """Where the tensors of a graph come from and where they go.

    Attributes:
        nodes: the nodes in the order of the graph.
        makers: the node that computes a tensor.
        readers: the nodes that read a tensor, in the order of the graph; empty for other names.
        initializers: the stored tensors.
        constants: the stored tensors and the values of Constant nodes.
        foreign: the operators that are not part of the ONNX standard.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        """Index a graph; later changes to its nodes are not seen."""
        self.nodes: Sequence[onnx.NodeProto] = list(graph.node)
        self.makers: Mapping[str, onnx.NodeProto] = {name: node for node in self.nodes for name in node.output}
        self.readers: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.readers[name].append(node)
        self.initializers: Mapping[str, onnx.TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self.constants: Mapping[str, onnx.TensorProto] = {
            **self.initializers,
            **{
                node.output[0]: attribute.t
                for node in self.nodes
                for attribute in node.attribute
                if node.op_type == "Constant" and attribute.name == "value"
            },
        }
        self.foreign = frozenset(node.op_type for node in self.nodes if node.domain not in ("", "ai.onnx"))
