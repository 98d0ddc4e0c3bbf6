from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import ExportError
from emberline.engine.records import Floats
from emberline.export.precision.fp16 import element_types, write
from emberline.export.precision.structure import check_fp16

Vectors = Callable[[Path], Floats]


@pytest.fixture
def fp16(small_graphs: BundleLayout, tmp_path: Path) -> Path:
    """The small run's encoder in fp16."""
    path = tmp_path / "encoder.fp16.onnx"
    write(small_graphs.encoder("fp32"), path)
    return path


def test_vectors_stay_where_they_are(fp16: Path, vectors: Vectors, fp32: Floats) -> None:
    """Half precision moves no entry of a vector by more than a thousandth."""
    np.testing.assert_allclose(vectors(fp16), fp32, atol=1e-3)


def test_products_are_in_fp16_and_sums_over_rows_in_fp32(fp16: Path) -> None:
    """All MatMuls and their matrices are fp16; norms, softmax and the output are fp32."""
    model = onnx.load(fp16)
    types = element_types(model) | {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    kinds = {
        operator: {types[node.output[0]] for node in model.graph.node if node.op_type == operator}
        for operator in ("MatMul", "LayerNormalization", "Softmax")
    }
    assert kinds == {
        "MatMul": {TensorProto.FLOAT16},
        "LayerNormalization": {TensorProto.FLOAT},
        "Softmax": {TensorProto.FLOAT},
    }
    assert types["sentence_embedding"] == TensorProto.FLOAT
    check_fp16(fp16)


def test_a_graph_in_fp32_is_told(small_graphs: BundleLayout) -> None:
    """A graph that was never converted does not pass for fp16."""
    with pytest.raises(ExportError, match=r"matrices or products in fp32"):
        check_fp16(small_graphs.encoder("fp32"))


def test_a_product_that_was_cast_back_is_told(fp16: Path, tmp_path: Path) -> None:
    """Weights in fp16 that are cast before the product only look like half precision."""
    model = onnx.load(fp16)
    node = next(node for node in model.graph.node if node.op_type == "MatMul")
    place = list(model.graph.node).index(node)
    casts = [
        onnx.helper.make_node("Cast", [name], [f"{name}.wide"], f"{name}.wide", to=TensorProto.FLOAT)
        for name in node.input
    ]
    back = onnx.helper.make_node("Cast", [f"{node.output[0]}.wide"], [node.output[0]], "back", to=TensorProto.FLOAT16)
    node.input[:] = [f"{name}.wide" for name in node.input]
    node.output[0] = f"{node.output[0]}.wide"
    for new in reversed(casts):
        model.graph.node.insert(place, new)
    model.graph.node.insert(place + 3, back)
    onnx.save(model, tmp_path / "cast.onnx")
    with pytest.raises(ExportError, match=r"1 matrices or products in fp32"):
        check_fp16(tmp_path / "cast.onnx")
