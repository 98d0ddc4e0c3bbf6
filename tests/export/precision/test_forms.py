"""Encoders of other forms than BERT with the mean over its tokens, in every precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emberline.engine.bundle import PRECISIONS, BundleLayout
from emberline.engine.records import Encoding
from emberline.engine.runtime.session import OrtSession
from emberline.engine.text.tokenizer import pad
from emberline.export.model import Emberline, ModelConfig
from emberline.export.onnx import encoder_graph, export_graphs
from emberline.export.precision.encoders import write_encoders
from emberline.export.precision.quantiser import Quantiser
from emberline.export.precision.recipe import RECIPES
from emberline.export.progress import silent

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}


@pytest.mark.parametrize("form", [{"pooling": "cls"}, {"relative_attention_num_buckets": 32}], ids=["cls", "distances"])
def test_every_precision_gives_pytorch_s_vectors(form: dict[str, Any], tmp_path: Path) -> None:
    """fp32 and fp16 give the module's vectors, int8 nearly so, whatever a text is batched with."""
    labels = ("genres=Horror",)
    torch.manual_seed(0)
    model = Emberline(ModelConfig({**SIZES, "initializer_range": 0.15, **form}, labels, labels, (1.0, 5.0))).eval()
    for name, parameter in model.encoder.named_parameters():
        if name.endswith(".bias") and ".key." not in name:
            torch.nn.init.normal_(parameter, std=0.1)
    if model.encoder.distances is not None:
        torch.nn.init.normal_(model.encoder.distances.bias_embeddings.weight, std=2.0)
    rng = np.random.default_rng(0)
    texts = [Encoding(rng.integers(4, 50, length), truncated=False) for length in rng.integers(3, 30, 40)]
    layout = BundleLayout(tmp_path)
    export_graphs(model, layout)
    write_encoders(layout, PRECISIONS, RECIPES, Quantiser(layout.encoder("fp32"), texts), silent)
    with torch.inference_mode():
        ids, mask = (torch.from_numpy(array) for array in pad(texts))
        expected = model.encoder(ids, mask).sentence_embedding.numpy()
        alone = model.encoder(ids[:1, : len(texts[0].ids)], mask[:1, : len(texts[0].ids)]).sentence_embedding.numpy()
    np.testing.assert_allclose(alone, expected[:1], atol=1e-5)
    assert np.linalg.matrix_rank(expected, tol=0.1) > 5
    least = {"fp32": 0.999999, "fp16": 0.999999, "int8": 0.999, "int8-trt": 0.99}
    for precision in PRECISIONS:
        session = OrtSession(layout.encoder(precision), encoder_graph(model.config, "encoder.onnx"), "cpu")
        found = session.run(*pad(texts))
        assert float((found * expected).sum(axis=1).min()) > least[precision], precision
