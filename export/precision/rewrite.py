"""Rewriting a graph: new nodes before or after old ones, new constants in the place of old ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


class Rewrite:
    """A model whose graph is being rewritten; `finish` puts the pieces together."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Begin.

        Args:
            model: it is changed, its nodes at once and its order and constants by `finish`.
        """
        self._graph = model.graph
        self._initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self._before: dict[str, list[onnx.NodeProto]] = {}
        self._after: dict[str, list[onnx.NodeProto]] = {}
        self._constants: dict[str, onnx.TensorProto] = {}
        self.nodes = {node.name: node for node in model.graph.node}

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        """Make a node with one output, without a place yet."""
        return helper.make_node(operator, inputs, [output], f"{output}.{operator}", **attributes)

    def before(self, name: str, nodes: list[onnx.NodeProto]) -> None:
        """Put nodes before the node of a name."""
        self._before.setdefault(name, []).extend(nodes)

    def after(self, name: str, nodes: list[onnx.NodeProto]) -> None:
        """Put nodes after the node of a name."""
        self._after.setdefault(name, []).extend(nodes)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant; its name is given back."""
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        return name

    def value(self, name: str) -> NDArray[Any]:
        """The value of a constant of the old graph."""
        value: NDArray[Any] = numpy_helper.to_array(self._initializers[name])
        return value

    def finish(self) -> None:
        """Order the nodes, add the new constants, and drop the old ones that nothing reads any more."""
        ordered: list[onnx.NodeProto] = []
        for node in self._graph.node:
            ordered += [*self._before.get(node.name, ()), node, *self._after.get(node.name, ())]
        read = {name for node in ordered for name in node.input}
        ordered = [node for node in ordered if node.op_type != "Constant" or node.output[0] in read]
        kept = [tensor for name, tensor in self._initializers.items() if name in read]
        del self._graph.node[:]
        self._graph.node.extend(ordered)
        del self._graph.initializer[:]
        self._graph.initializer.extend([*kept, *self._constants.values()])
