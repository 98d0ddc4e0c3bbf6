"""The repository under a real tritonserver, as far as one with the Python backend alone goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from tokenizers import Tokenizer

from emberline.engine.bundle import Bundle
from emberline.export.triton.repository import EncoderChoice, write_repository

TEXTS = ["title: Alien; year: 1979; genres: Horror", "title: Airplane!", "the"]


@pytest.fixture
def repository(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The tiny bundle's repository."""
    out = tmp_path / "models"
    write_repository(Bundle.open(tiny_bundle), out, EncoderChoice("fp32", "fp32"))
    return out


def _expected(bundle: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(TEXTS)
    feed = {
        "input_ids": np.array([one.ids for one in encodings], np.int64),
        "attention_mask": np.array([one.attention_mask for one in encodings], np.int64),
    }
    (embedding,) = ort.InferenceSession(bundle / "encoder.fp32.onnx").run(None, feed)
    item, bias, *_ = ort.InferenceSession(bundle / "item_tower.onnx").run(None, {"sentence_embedding": embedding})
    return embedding, item, bias


@pytest.mark.parametrize("model", ["emberline_onnx", "emberline_tensorrt"])
def test_ensembles_answer(
    repository: Path, tiny_bundle: Path, triton: Callable[[Path], Any], stand_in: Callable[[Path], None], model: str
) -> None:
    """Texts go in and vectors come out, the same as without Triton: tokenizer, ensemble and batching are right."""
    stand_in(repository)
    server = triton(repository)
    data = {"name": "TEXT", "shape": [len(TEXTS), 1], "datatype": "BYTES", "data": TEXTS}
    status, answer = server.ask(f"/models/{model}/infer", {"inputs": [data]})
    assert status == 200, answer
    found = {one["name"]: np.array(one["data"], np.float32).reshape(one["shape"]) for one in answer["outputs"]}
    embedding, item, bias = _expected(tiny_bundle)
    assert found["sentence_embedding"] == pytest.approx(embedding, abs=1e-5)
    assert found["item_embedding"] == pytest.approx(item, abs=1e-4)
    assert found["item_bias"] == pytest.approx(bias[:, None], abs=1e-4)
    status, answer = server.ask(f"/models/{model}/infer", {"inputs": [{**data, "data": ["a", " ", "b"]}]})
    assert status != 200
    assert "TEXT has an empty text" in answer["error"]


def test_configurations_are_read(repository: Path, triton: Callable[[Path], Any]) -> None:
    """Triton takes every configuration as it was written; what it lacks is only the backend of ONNX Runtime."""
    server = triton(repository)
    states = {one["name"]: one for one in server.ask("/repository/index", {})[1]}
    assert states["emberline_tokenizer"]["state"] == "READY"
    for name in ("emberline_encoder_onnx", "emberline_encoder_tensorrt", "emberline_item_tower"):
        assert "onnxruntime" in states[name]["reason"], states[name]
    for name in ("emberline_onnx", "emberline_tensorrt"):
        assert states[name].get("state") != "READY", states[name]
