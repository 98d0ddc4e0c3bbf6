from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from emberline.engine.bundle import BundleLayout, GraphSpec
from emberline.engine.errors import ExportError
from emberline.engine.runtime.session import OrtSession
from emberline.export.precision.int8 import write


def test_the_layout_for_cpus_computes_what_fp32_does(
    small_graphs: BundleLayout, small_encoder: GraphSpec, tmp_path: Path
) -> None:
    """With tokens first and token types added to the positions, vectors are those of fp32 for any mask."""
    path = tmp_path / "laid_out.onnx"
    write(small_graphs.encoder("fp32"), path, [], "uint8", embeddings=False)
    assert {node.op_type for node in onnx.load(path).graph.node} >= {"FusedMatMul"}
    before, after = (OrtSession(one, small_encoder, "cpu") for one in (small_graphs.encoder("fp32"), path))
    random = np.random.default_rng(0)
    for texts, tokens in ((1, 1), (1, 7), (2, 2), (5, 12), (12, 5), (3, 40)):
        ids = random.integers(4, 40, (texts, tokens))
        mask = random.integers(0, 2, (texts, tokens))  # padding on either side, and holes
        mask[np.arange(texts), random.integers(0, tokens, texts)] = 1
        np.testing.assert_allclose(after.run(ids, mask), before.run(ids, mask), atol=2e-6)


def test_attention_of_another_form_is_refused(small_graphs: BundleLayout, tmp_path: Path) -> None:
    """Attention whose scores are not divided before the mask is added is rejected."""
    model = onnx.load(small_graphs.encoder("fp32"))
    for node in model.graph.node:
        if node.op_type == "Div" and "/attention/" in node.name:
            node.op_type = "Mul"
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ExportError, match="does not follow a Div; only BertModel encoders"):
        write(tmp_path / "other.onnx", tmp_path / "int8.onnx", [], "uint8")


def test_states_that_are_not_pooled_by_the_mask_are_refused(small_graphs: BundleLayout, tmp_path: Path) -> None:
    """An encoder with another kind of pooling is rejected before anything is written."""
    model = onnx.load(small_graphs.encoder("fp32"))
    for node in model.graph.node:
        if node.op_type == "ReduceSum":
            node.op_type = "ReduceMean"
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ExportError, match="has no ReduceSum of"):
        write(tmp_path / "other.onnx", tmp_path / "int8.onnx", [], "uint8")
    assert not (tmp_path / "int8.onnx").exists()
