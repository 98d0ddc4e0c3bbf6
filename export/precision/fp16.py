"""Half precision where it helps: matrix products and their weights in fp16, norms and softmax in fp32.

PyTorch's mixed-precision training does the same, for the same reason: the residual stream and the sums over a row lose
most by rounding and cost least in fp32. A GPU runs such a graph on its fp16 units. A CPU reads half the bytes and
computes in fp32, without rounding in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from .graph.rewrite import Rewrite
from .graph.view import GraphView

#: Operators of a layer that are computed in fp32, with the sums that they read: the residual and the masked scores.
_SINGLE: Final = ("LayerNormalization", "Softmax")


def write(source: Path, target: Path) -> None:
    """Write an encoder in fp16; its inputs and outputs stay as they are.

    Args:
        source: the fp32 encoder.
        target: the fp16 encoder.
    """
    model = onnx.load(source)
    types = element_types(model)
    view = GraphView(model.graph)
    constants = {
        name: numpy_helper.to_array(tensor)
        for name, tensor in view.constants.items()
        if tensor.data_type == TensorProto.FLOAT
    }
    graph = Rewrite(model)
    halves: set[str] = set()  # tensors that are computed in fp16
    for node in view.nodes:
        half = _in_half(node, view)
        for place, name in enumerate(node.input):
            if name in constants:
                if half:
                    node.input[place] = graph.constant(f"{name}.half", constants[name].astype(np.float16))
            elif types.get(name) == TensorProto.FLOAT and (name in halves) != half:
                node.input[place] = _cast(graph, view.makers[name].name, name, half=half)
        if half:
            halves.update(name for name in node.output if types.get(name) == TensorProto.FLOAT)
    graph.finish()
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """The element type of every tensor that a graph computes, as `TensorProto` numbers them."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {one.name: one.type.tensor_type.elem_type for one in [*graph.value_info, *graph.output]}


def _in_half(node: onnx.NodeProto, view: GraphView) -> bool:
    if node.op_type == "Gather":
        return "_embeddings.weight" in node.input[0]  # the embeddings are half of a small model
    if "/layer." not in node.name or node.op_type in (*_SINGLE, "Cast"):
        return False
    return not (node.op_type == "Add" and any(one.op_type in _SINGLE for one in view.readers[node.output[0]]))


def _cast(graph: Rewrite, maker: str, name: str, *, half: bool) -> str:
    to = f"{name}.half" if half else f"{name}.single"
    if f"{to}.Cast" not in graph.nodes:
        graph.nodes[f"{to}.Cast"] = graph.node(
            "Cast", [name], to, to=TensorProto.FLOAT16 if half else TensorProto.FLOAT
        )
        graph.after(maker, [graph.nodes[f"{to}.Cast"]])
    return to
