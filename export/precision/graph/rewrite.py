"""Rewrites an ONNX graph: adds, replaces and removes nodes and constants."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from emberline.engine.errors import ExportError

from .view import GraphView

#: The domain and version of the operators that only ONNX Runtime has.
RUNTIME: Final = "com.microsoft"
_RUNTIME_VERSION: Final = 1


class Rewrite:
    """A model whose graph is being rewritten; `finish` assembles the new graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Start rewriting.

        Args:
            model: changed in place: its nodes immediately, their order and the constants by `finish`.
        """
        self._model = model
        self._graph = model.graph
        self._view = GraphView(model.graph)
        self._before: dict[str, list[onnx.NodeProto]] = {}
        self._after: dict[str, list[onnx.NodeProto]] = {}
        self._constants: dict[str, onnx.TensorProto] = {}
        self._dropped: set[str] = set()
        self.nodes = {node.name: node for node in model.graph.node}

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        """Create a node with one output, not yet in the graph."""
        return helper.make_node(operator, inputs, [output], f"{output}.{operator}", **attributes)

    def maker(self, tensor: str) -> onnx.NodeProto:
        """The node that computes a tensor of the original graph."""
        return self._view.makers[tensor]

    def reader(self, tensor: str, operator: str) -> onnx.NodeProto:
        """The first node with a certain operator that reads a tensor of the original graph.

        Raises:
            ExportError: no such node reads it.
        """
        reader = next((node for node in self._view.readers[tensor] if node.op_type == operator), None)
        if reader is None:
            raise ExportError(
                f"the encoder's graph has no {operator} of {tensor}; only BertModel encoders are quantised"
            )
        return reader

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor is a constant, original or new."""
        return self._stored(tensor) is not None

    def constant_of(self, node: onnx.NodeProto) -> str:
        """The only constant that a node reads: the weight of a product, the bias of a sum.

        Raises:
            ExportError: it reads no constant, or several.
        """
        constants = [str(name) for name in node.input if self.is_constant(name)]
        if len(constants) != 1:
            raise ExportError(
                f"the encoder's {node.name} reads {len(constants)} constants in place of one weight or bias; "
                "only BertModel encoders are quantised"
            )
        return constants[0]

    def exchange(self, node: onnx.NodeProto, old: str, new: str) -> None:
        """Make one node read another tensor; other readers of the old one stay as they are."""
        node.input[:] = [new if name == old else name for name in node.input]

    def before(self, name: str, nodes: list[onnx.NodeProto]) -> None:
        """Insert nodes before a node, by its name."""
        self._before.setdefault(name, []).extend(nodes)

    def after(self, name: str, nodes: list[onnx.NodeProto]) -> None:
        """Insert nodes after a node, by its name."""
        self._after.setdefault(name, []).extend(nodes)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        return name

    def value(self, name: str) -> NDArray[Any]:
        """The value of a constant."""
        stored = self._stored(name)
        if stored is None:
            raise KeyError(name)
        value: NDArray[Any] = numpy_helper.to_array(stored)
        return value

    def drop(self, node: onnx.NodeProto) -> None:
        """Remove a node of the original graph; nodes that were inserted before or after it stay."""
        self._dropped.add(node.name)

    def finish(self) -> None:
        """Assemble the nodes and constants, and drop those that nothing reads any more."""
        ordered: list[onnx.NodeProto] = []
        for node in self._graph.node:
            own = () if node.name in self._dropped else (node,)
            ordered += [*self._before.get(node.name, ()), *own, *self._after.get(node.name, ())]
        read = {output.name for output in self._graph.output}
        needed: list[onnx.NodeProto] = []
        for node in reversed(ordered):
            if not read.isdisjoint(node.output):
                needed.append(node)
                read.update(node.input)
        tensors = {**self._view.initializers, **self._constants}
        del self._graph.node[:]
        self._graph.node.extend(reversed(needed))
        del self._graph.initializer[:]
        self._graph.initializer.extend(tensor for name, tensor in tensors.items() if name in read)
        if any(node.domain == RUNTIME for node in needed):
            self._model.opset_import.append(helper.make_opsetid(RUNTIME, _RUNTIME_VERSION))

    def _stored(self, name: str) -> onnx.TensorProto | None:
        if (stored := self._constants.get(name) or self._view.constants.get(name)) is not None:
            return stored
        maker = self._view.makers.get(name)
        # PyTorch stores equal tensors once; the others are an Identity of it.
        return self._stored(maker.input[0]) if maker is not None and maker.op_type == "Identity" else None
