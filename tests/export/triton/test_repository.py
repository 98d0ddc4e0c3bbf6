from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emberline.engine.bundle import Bundle, TensorSpec, sha256
from emberline.engine.catalogue.texts import text_lengths
from emberline.engine.errors import ExportError, GateRefused
from emberline.engine.runtime.tensorrt.library import Library
from emberline.engine.runtime.tensorrt.manifest import EngineFile, EngineManifest
from emberline.engine.runtime.tensorrt.profiles import parse_profiles, profiles_of
from emberline.export.triton.repository import EncoderChoice, write_repository

MODELS = (
    "emberline_encoder_onnx",
    "emberline_encoder_tensorrt",
    "emberline_item_tower",
    "emberline_onnx",
    "emberline_tensorrt",
    "emberline_tokenizer",
)


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle: fp32 has passed its gate, int8 has not."""
    return Bundle.open(tiny_bundle)


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[[Library], EngineFile]:
    """Makes an engine file of a library."""

    def make(library: Library) -> EngineFile:
        path = tmp_path / "encoder.fp32.sm86.engine"
        path.write_bytes(b"an engine")
        spec = (TensorSpec("sentence_embedding", "float32", ("batch", 16)),)
        profiles = parse_profiles("1x1:4x16:24x16,1x1:2x32:16x32")
        texts = ("tiny", "fp32", "sm86", library, "10.13", "encoder.fp32.onnx", "0" * 64, "0" * 64, sha256(path))
        return EngineFile(path, EngineManifest(1, *texts, 9, (), spec, profiles, {}, "2026", 1.0))  # type: ignore[arg-type]  # a tuple of texts

    return make


def _config(out: Path, model: str) -> str:
    return (out / model / "config.pbtxt").read_text()


def test_every_model_has_its_files(bundle: Bundle, tmp_path: Path) -> None:
    """Each model has a configuration of its name and, under version 1, its file as the bundle has it."""
    out = tmp_path / "models"
    assert write_repository(bundle, out, EncoderChoice("fp32", "fp32")) == MODELS
    assert sorted(path.name for path in out.iterdir()) == list(MODELS)
    for model in MODELS:
        assert f'name: "{model}"' in _config(out, model)
        assert (out / model / "1").is_dir()
    assert sha256(out / "emberline_encoder_onnx/1/model.onnx") == sha256(bundle.layout.encoder("fp32"))
    assert sha256(out / "emberline_item_tower/1/model.onnx") == sha256(bundle.layout.item_tower)
    assert sha256(out / "emberline_tokenizer/1/tokenizer.json") == sha256(bundle.layout.tokenizer)
    assert "class TritonPythonModel" in (out / "emberline_tokenizer/1/model.py").read_text()


def test_texts_are_padded_to_the_profiles_lengths(bundle: Bundle, tmp_path: Path) -> None:
    """The lengths that texts are padded to are those that engines have profiles for, up to the longest text."""
    write_repository(bundle, tmp_path / "models", EncoderChoice("fp32", "fp32"))
    profiles = profiles_of(text_lengths(bundle), bundle.manifest.max_length)
    lengths = [profile.largest.tokens for profile in profiles]
    assert f'string_value: "{lengths}"' in _config(tmp_path / "models", "emberline_tokenizer")
    shapes = _config(tmp_path / "models", "emberline_encoder_tensorrt")
    assert 'key: "trt_profile_max_shapes"' in shapes
    assert "x32,attention_mask:" in shapes


def test_an_engine_brings_its_own_profiles(
    bundle: Bundle, make_engine: Callable[[Library], EngineFile], tmp_path: Path
) -> None:
    """With an engine of TensorRT's the repository has it as a plan, and batches no larger than any profile takes."""
    write_repository(bundle, tmp_path / "models", EncoderChoice("fp32", "fp32", make_engine("tensorrt")))
    config = _config(tmp_path / "models", "emberline_encoder_tensorrt")
    assert (tmp_path / "models/emberline_encoder_tensorrt/1/model.plan").read_bytes() == b"an engine"
    assert 'platform: "tensorrt_plan"' in config
    assert 'profile: ["0", "1"]' in config
    for model in MODELS:
        assert "max_batch_size: 16\n" in _config(tmp_path / "models", model)
    assert 'string_value: "[16, 32]"' in _config(tmp_path / "models", "emberline_tokenizer")


def test_an_engine_of_tensorrt_for_rtx_is_refused(
    bundle: Bundle, make_engine: Callable[[Library], EngineFile], tmp_path: Path
) -> None:
    """Triton cannot run engines of TensorRT for RTX, and nothing is written for one."""
    with pytest.raises(ExportError, match="build it with --library tensorrt on the GPU"):
        write_repository(bundle, tmp_path / "models", EncoderChoice("fp32", "fp32", make_engine("tensorrt_rtx")))
    assert not (tmp_path / "models").exists()


def test_a_folder_with_something_in_it_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    """A repository is not written over whatever is there."""
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ExportError, match="is not empty"):
        write_repository(bundle, tmp_path, EncoderChoice("fp32", "fp32"))


def test_a_failed_gate_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    """A precision that its gate failed does not get into a repository either."""
    with pytest.raises(GateRefused, match=r"agreement@10 0\.81"):
        write_repository(bundle, tmp_path / "models", EncoderChoice("int8", "fp32"))
    failed = replace(bundle, report={"precisions": {}})
    with pytest.raises(GateRefused, match="no verdict"):
        write_repository(failed, tmp_path / "models", EncoderChoice("fp32", "fp32"))
