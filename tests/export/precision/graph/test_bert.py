from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import ExportError
from emberline.export.precision.graph.bert import find
from emberline.export.precision.linears import KINDS, LinearGroup
from emberline.export.training.run import Run


def test_every_linear_layer_is_found(layers: list[LinearGroup], small_run: Run) -> None:
    """Each layer of the encoder has four groups, in the order of computation; query, key and value are one."""
    assert [one.name for one in layers] == [f"layer.{layer}.{kind}" for layer in (0, 1) for kind in KINDS]
    first = small_run.trained.model.encoder.bert.encoder.layer[0].attention.self
    together = [module.weight.detach().numpy().T for module in (first.query, first.key, first.value)]
    np.testing.assert_allclose(layers[0].weight, np.concatenate(together, axis=1))
    assert len(layers[0].nodes) == 3


def test_a_graph_without_linear_layers_is_refused() -> None:
    """A graph without a MatMul with a constant weight is rejected, because quantising it would silently do nothing."""
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "fused", [], [])
    with pytest.raises(ExportError, match="no linear layers with constant weights"):
        find(helper.make_model(graph))


def test_a_layer_that_is_no_berts_is_refused(small_graphs: BundleLayout, tmp_path: Path) -> None:
    """A MatMul at an unknown place is rejected by name instead of being left out."""
    model = onnx.load(small_graphs.encoder("fp32"))
    node = next(node for node in model.graph.node if node.name.endswith("intermediate/dense/MatMul"))
    node.name = "/bert/encoder/layer.0/adapter/MatMul"
    with pytest.raises(ExportError, match=r"/layer\.0/adapter/MatMul has no place"):
        find(model)
