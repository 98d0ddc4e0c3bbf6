from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray

from emberline.engine.bundle import BundleLayout
from emberline.export.model import Emberline
from emberline.export.onnx import OPSET, encoder_graph, export_graphs, head_graphs
from emberline.export.training.run import Run

DTYPES = {"tensor(float)": "float32", "tensor(int64)": "int64"}


@pytest.fixture(scope="module")
def session(small_graphs: BundleLayout) -> ort.InferenceSession:
    """The fp32 encoder."""
    return ort.InferenceSession(small_graphs.encoder("fp32"), providers=["CPUExecutionProvider"])


def _torch(run: Run, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    with torch.no_grad():
        encoding = run.trained.model.encoder(torch.from_numpy(ids), torch.from_numpy(mask))
    return np.asarray(encoding.sentence_embedding.numpy())


@pytest.mark.parametrize(
    "mask",
    [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1]],
    ids=["whole", "right padding", "left padding", "holes"],
)
def test_any_mask_is_honoured(session: ort.InferenceSession, small_run: Run, mask: list[int]) -> None:
    """Wherever the padding is, the graph returns PyTorch's vector, and padded tokens do not matter."""
    ids = np.array([[2, 10, 11, 12, 13, 3]], np.int64)
    masks = np.array([mask], np.int64)
    found = session.run(None, {"input_ids": ids, "attention_mask": masks})[0]
    np.testing.assert_allclose(found, _torch(small_run, ids, masks), atol=1e-5)
    other = np.where(masks == 1, ids, 20)
    np.testing.assert_allclose(found, session.run(None, {"input_ids": other, "attention_mask": masks})[0], atol=1e-6)


def test_graphs_are_what_the_manifest_will_say(small_graphs: BundleLayout, small_run: Run) -> None:
    """Each graph has the names, dtypes and widths of its description, and the expected opset."""
    config = small_run.trained.model.config
    for graph in [encoder_graph(config, "encoder.fp32.onnx"), *head_graphs(config, small_graphs).values()]:
        path = small_graphs.root / graph.file
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        for found, wanted in ((session.get_inputs(), graph.inputs), (session.get_outputs(), graph.outputs)):
            assert [(one.name, DTYPES[one.type], tuple(one.shape)) for one in found] == [
                (one.name, one.dtype, one.shape) for one in wanted
            ]
        assert onnx.load(path).opset_import[0].version == OPSET


def test_heads_give_probabilities(small_graphs: BundleLayout, small_run: Run) -> None:
    """Attributes and the match are served as probabilities, where the modules give logits."""
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((3, 32)).astype(np.float32)
    item = ort.InferenceSession(small_graphs.item_tower, providers=["CPUExecutionProvider"])
    vector, bias, attributes, newness = item.run(None, {"sentence_embedding": hidden})
    with torch.no_grad():
        expected = small_run.trained.model.item_tower.newness(torch.from_numpy(hidden)).numpy()
    np.testing.assert_allclose(newness, expected, atol=1e-5)
    for found, wanted in zip((vector, bias, attributes), small_run.trained.item(hidden), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    match = ort.InferenceSession(small_graphs.match, providers=["CPUExecutionProvider"])
    inputs = {"user_embedding": vector[::-1], "item_embedding": vector, "item_bias": bias}
    for found, wanted in zip(match.run(None, inputs), small_run.trained.match(*inputs.values()), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_exporting_twice_gives_the_same_bytes_and_leaves_the_model_alone(
    small_graphs: BundleLayout, small_run: Run, tmp_path: Path
) -> None:
    """Exporting again gives the same bytes, so that a fingerprint of the files identifies the model."""
    before = {name: value.clone() for name, value in small_run.trained.model.state_dict().items()}
    export_graphs(small_run.trained.model, BundleLayout(tmp_path))
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (small_graphs.root / path.name).read_bytes(), path.name
    after = small_run.trained.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_data_without_labels_is_exported(small_run: Run, tmp_path: Path) -> None:
    """A model without attributes returns (B, 0) for them, and everything else as usual."""
    config = replace(small_run.trained.model.config, item_labels=(), user_labels=())
    export_graphs(Emberline(config).eval(), BundleLayout(tmp_path))
    item = ort.InferenceSession(BundleLayout(tmp_path).item_tower, providers=["CPUExecutionProvider"])
    outputs = item.run(None, {"sentence_embedding": np.zeros((2, 32), np.float32)})
    assert [output.shape for output in outputs] == [(2, 8), (2,), (2, 0), (2,)]
