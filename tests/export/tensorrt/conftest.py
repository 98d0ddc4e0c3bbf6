"""Bundles whose encoders are real BERTs, small and large, in every precision that engines are built from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from msgspec import structs
from transformers import BertConfig

from emberline.engine.bundle import Bundle, BundleLayout, FileRecord, Manifest, Precision, sha256
from emberline.engine.errors import DeviceUnavailable, MissingExtra
from emberline.engine.runtime.tensorrt.library import load_library
from emberline.export.model import Emberline, ModelConfig, TextEncoder
from emberline.export.onnx import encoder_graph, export_graphs
from emberline.export.precision import fp16, int8
from emberline.export.precision.analysis.grid import Grid, nearest, weight_scales
from emberline.export.precision.analysis.layer import QuantisedGroup, QuantisedPart
from emberline.export.precision.graph.bert import find
from emberline.export.precision.recipe import RECIPES, Recipe

LABELS = ("genres=Comedy", "genres=Horror", "genres=Sci-Fi")


#: What engines are built from.
SOURCES: tuple[Precision, ...] = ("fp32", "fp16", "int8-trt")


def write_encoders(encoder: TextEncoder, layout: BundleLayout, recipe: Recipe, *, cpu: bool = False) -> ModelConfig:
    """Write a BERT's `SOURCES`, and int8 for the CPU; the scales are made up, for nothing here depends on them."""
    config = ModelConfig(encoder.config.to_dict(), LABELS, LABELS, (1.0, 5.0), dimensions=8, tower_width=16)
    model = Emberline(config).eval()
    model.encoder.load_state_dict(encoder.state_dict())
    export_graphs(model, layout)
    fp32 = layout.encoder("fp32")
    fp16.write(fp32, layout.encoder("fp16"))
    quantised = []
    for layers in find(onnx.load(fp32)):
        scales = weight_scales(layers.weight)
        weight = nearest(layers.weight, scales).astype(np.int8)
        zeros, ones = np.zeros(len(layers.weight), np.float32), np.ones(len(layers.weight), np.float32)
        grids: Any = {form: Grid.over(-4.0, 4.0, form) for form in ("uint8", "int8")}
        bias_correction: Any = dict.fromkeys(grids, np.zeros_like(scales))
        is_16bit = recipe.is_16bit(layers)
        part = QuantisedPart(is_16bit, 0.0, zeros, ones, weight, scales, grids, bias_correction)
        quantised.append(QuantisedGroup(layers, None, (part,)))
    if cpu:
        int8.write(fp32, layout.encoder("int8"), quantised, "uint8")
    int8.write(fp32, layout.encoder("int8-trt"), quantised, "int8")
    return config


def write_bert_bundle(root: Path, encoder: TextEncoder) -> Bundle:
    """Put a BERT's graphs in place of a bundle's, quantised as `emberline export` does it."""
    layout = BundleLayout(root)
    config = write_encoders(encoder, layout, RECIPES["int8-trt"])
    graphs = {name: encoder_graph(config, layout.encoder(name).name) for name in SOURCES}
    layout.report.write_text(json.dumps({"precisions": {name: {"passed": True, "failures": []} for name in graphs}}))
    files = {
        path.name: FileRecord(sha256(path), path.stat().st_size)
        for path in sorted(root.iterdir())
        if path.is_file() and path not in (layout.manifest, layout.encoder("int8"))
    }
    manifest = Manifest.read(layout.manifest)
    structs.replace(manifest, files=files, encoders=graphs, hidden=config.hidden).write(layout.manifest)
    return Bundle.open(root)


@pytest.fixture(scope="session")
def small_bert() -> TextEncoder:
    """A BERT of two layers, with random weights."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    return TextEncoder(BertConfig(vocab_size=256, max_position_embeddings=32, **sizes)).eval()


@pytest.fixture(scope="session")
def graphs(small_bert: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> BundleLayout:
    """The small BERT's graphs, every linear layer quantised once; no test may write to them."""
    layout = BundleLayout(tmp_path_factory.mktemp("graphs"))
    write_encoders(small_bert, layout, Recipe("int8"), cpu=True)
    return layout


@pytest.fixture(scope="session")
def bundle_of(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[TextEncoder], Bundle]:
    """Makes a bundle of a BERT."""

    def make(encoder: TextEncoder) -> Bundle:
        root = tmp_path_factory.mktemp("bert") / "bundle"
        shutil.copytree(tiny_bundle, root)
        return write_bert_bundle(root, encoder)

    return make


@pytest.fixture(scope="session")
def pattern(small_bert: TextEncoder, bundle_of: Callable[[TextEncoder], Bundle]) -> Path:
    """A bundle of the small BERT, to copy."""
    return bundle_of(small_bert).layout.root


@pytest.fixture
def bert_bundle(pattern: Path, tmp_path: Path) -> Bundle:
    """A bundle of the small BERT, for one test alone."""
    return Bundle.open(Path(shutil.copytree(pattern, tmp_path / "bundle")))


@pytest.fixture(scope="session")
def rtx() -> Any:
    """TensorRT for RTX; what needs it is skipped with the reason where it is not installed."""
    try:
        return load_library("tensorrt_rtx")
    except (MissingExtra, DeviceUnavailable) as error:
        pytest.skip(str(error))
