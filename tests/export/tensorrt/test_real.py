"""Engines of real sizes, built for GPUs that are not here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import BertConfig

from emberline.engine.bundle import Bundle
from emberline.engine.errors import DeviceUnavailable
from emberline.engine.runtime.gpu import find_gpu
from emberline.engine.runtime.tensorrt.manifest import ENGINE_PRECISIONS, EngineFile, EnginePrecision
from emberline.engine.runtime.tensorrt.profiles import Profile, Shape, parse_profiles
from emberline.engine.runtime.tensorrt.session import TensorRTSession
from emberline.export import pretrained
from emberline.export.model import TextEncoder
from emberline.export.tensorrt.builder import build_engine

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("rtx")]

MakeBundle = Callable[[TextEncoder], Bundle]
#: Up to the 32 tokens that the test bundle's tokenizer makes.
TWO = parse_profiles("1x1:16x16:128x16,1x1:8x32:32x32")
ONE = (Profile(Shape(1, 1), Shape(8, 32), Shape(32, 32)),)


def build(bundle: Bundle, precision: EnginePrecision, architecture: str, profiles: tuple[Profile, ...]) -> EngineFile:
    """Build with TensorRT for RTX."""
    return build_engine(bundle, precision, architecture, profiles, library="tensorrt_rtx", progress=str)


def check(engines: dict[EnginePrecision, EngineFile], products: int) -> None:
    """Engines of each precision multiply in it, and are as much smaller as it stores less."""
    for precision, file in engines.items():
        dtype = "HALF" if precision in ("fp16", "int8-fp16") else "FLOAT"
        made = file.manifest.layers[f"MATRIX_MULTIPLY {dtype}"]
        if precision.startswith("int8"):  # layers whose inputs have 16 bits are multiplied twice
            assert made >= products
            assert file.manifest.layers["QUANTIZE INT8"] > 0
        else:
            assert made == products
            assert "QUANTIZE INT8" not in file.manifest.layers
        assert file.path.stat().st_size == file.manifest.bytes
    size = {precision: file.manifest.bytes for precision, file in engines.items()}
    assert size["fp16"] < 0.65 * size["fp32"]
    assert size["int8"] < 0.85 * size["fp32"]
    assert size["int8-fp16"] < size["fp16"]


@pytest.fixture(scope="module")
def minilm(bundle_of: MakeBundle) -> Bundle:
    """A bundle of the pretrained MiniLM."""
    return bundle_of(pretrained.load().encoder)


def test_minilm_in_every_precision(minilm: Bundle) -> None:
    """The pretrained MiniLM builds in fp32, fp16, int8 and int8 with fp16, with two profiles each."""
    engines = {precision: build(minilm, precision, "sm86", TWO) for precision in ENGINE_PRECISIONS}
    check(engines, products=6 * 8)  # six linear layers and two products of attention a layer
    assert all(file.manifest.profiles == TWO for file in engines.values())


@pytest.mark.parametrize("architecture", ["sm89", "sm120"])
def test_minilm_for_other_gpus(minilm: Bundle, architecture: str) -> None:
    """The same bundle builds for other architectures, each engine in a file of its own."""
    file = build(minilm, "fp16", architecture, ONE)
    assert file.path.name == f"encoder.fp16.{architecture}.engine"
    assert EngineFile.open(minilm, "fp16", architecture) == file


def test_engine_is_not_run_without_a_gpu(minilm: Bundle) -> None:
    """On a machine without a GPU a real engine is refused for that reason, before TensorRT is asked to load it."""
    try:
        find_gpu()
    except DeviceUnavailable:
        with pytest.raises(DeviceUnavailable, match="looking for a GPU"):
            TensorRTSession(build(minilm, "fp16", "sm89", ONE))
    else:
        pytest.skip("this machine has a GPU")


def test_bert_base_in_every_precision(bundle_of: MakeBundle) -> None:
    """A BERT of base size (with random weights: no package has real ones) builds in every precision."""
    torch.manual_seed(0)
    bundle = bundle_of(TextEncoder(BertConfig()).eval())
    engines = {precision: build(bundle, precision, "sm86", ONE) for precision in ENGINE_PRECISIONS}
    check(engines, products=12 * 8)


@pytest.mark.gpu
def test_engine_agrees_with_onnx_runtime(minilm: Bundle, gpu: Any) -> None:
    """On a GPU each engine's vectors are those of its graph on the CPU, whatever they are batched with."""
    import numpy as np
    import onnxruntime as ort

    from emberline.engine.runtime.tensorrt.manifest import SOURCES

    random = np.random.default_rng(0)
    ids = random.integers(999, 30000, (37, 32))
    mask = (np.arange(32) < random.integers(1, 33, (37, 1))).astype(np.int64)
    for precision in ENGINE_PRECISIONS:
        graph = ort.InferenceSession(minilm.layout.encoder(SOURCES[precision]), providers=["CPUExecutionProvider"])
        (expected,) = graph.run(None, {"input_ids": ids, "attention_mask": mask})
        session = TensorRTSession(build(minilm, precision, gpu.target, TWO))
        try:
            together = session.run(ids, mask)
            alone = np.concatenate([session.run(ids[row : row + 1], mask[row : row + 1]) for row in range(len(ids))])
        finally:
            session.close()
        assert ((together * expected).sum(axis=1) > 0.999).all()
        assert ((together * alone).sum(axis=1) > 0.9999).all()
