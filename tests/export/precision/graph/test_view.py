from __future__ import annotations

import numpy as np
import pytest
from onnx import GraphProto, helper, numpy_helper

from emberline.export.precision.graph.view import GraphView


@pytest.fixture
def graph() -> GraphProto:
    """A stored weight and a constant node, which two nodes read; one of them is not standard."""
    two = numpy_helper.from_array(np.array([2.0], np.float32), "value")
    nodes = [
        helper.make_node("Constant", [], ["two"], "two", value=two),
        helper.make_node("Mul", ["x", "two"], ["doubled"], "double"),
        helper.make_node("FusedMatMul", ["doubled", "weight"], ["y"], "multiply", domain="com.microsoft"),
        helper.make_node("Add", ["doubled", "two"], ["z"], "add"),
    ]
    weight = numpy_helper.from_array(np.eye(2, dtype=np.float32), "weight")
    return helper.make_graph(nodes, "small", [], [], [weight])


def test_tensors_lead_to_their_nodes(graph: GraphProto) -> None:
    """A tensor has one maker and all its readers in order; inputs have no maker, outputs no reader."""
    view = GraphView(graph)
    assert view.makers["doubled"].name == "double"
    assert [node.name for node in view.readers["doubled"]] == ["multiply", "add"]
    assert "x" not in view.makers
    assert view.readers["y"] == []


def test_constants_are_stored_tensors_and_constant_nodes(graph: GraphProto) -> None:
    """Initializers are only the stored ones."""
    view = GraphView(graph)
    assert set(view.initializers) == {"weight"}
    assert {name: numpy_helper.to_array(tensor).tolist() for name, tensor in view.constants.items()} == {
        "weight": [[1.0, 0.0], [0.0, 1.0]],
        "two": [2.0],
    }


def test_foreign_operators_are_those_of_one_runtime(graph: GraphProto) -> None:
    """The standard's own domain is not foreign, under either of its names."""
    graph.node[1].domain = "ai.onnx"
    assert GraphView(graph).foreign == {"FusedMatMul"}
