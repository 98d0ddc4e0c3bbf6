"""The command line, from a bundle to engines and to a Triton repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from emberline.engine.bundle import Bundle
from emberline.engine.errors import ConfigError, DeviceUnavailable
from emberline.engine.runtime.gpu import Gpu
from emberline.engine.runtime.tensorrt.manifest import EngineFile
from emberline.export.tensorrt import command
from emberline.export.tensorrt.command import build_engines, parse_library, parse_precisions


def emberline(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    line = [str(Path(sys.executable).with_name("emberline")), "export", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


def test_engines_are_built_from_the_command_line(bert_bundle: Bundle, rtx: object) -> None:
    """One command builds each precision for each architecture, and prints where and what they are."""
    root, profile = bert_bundle.layout.root, "1x1:4x32:8x32"
    done = emberline(root, "--tensorrt", "fp16,int8-fp16", "--gpu", "sm86,sm120", "--profiles", profile, "--json")
    assert done.returncode == 0, done.stderr
    engines = json.loads(done.stdout)["engines"]
    assert [(one["precision"], one["architecture"]) for one in engines] == [
        ("fp16", "sm86"),
        ("int8-fp16", "sm86"),
        ("fp16", "sm120"),
        ("int8-fp16", "sm120"),
    ]
    assert engines[0]["profiles"] == [profile]
    for one in engines:
        assert str(EngineFile.open(bert_bundle, one["precision"], one["architecture"]).path) == one["file"]
    assert "building fp16 for sm86" in done.stderr


def test_a_bad_profile_is_one_line(bert_bundle: Bundle) -> None:
    """A profile out of order is reported in one line on standard error, and nothing is built."""
    profile = "8x8:4x8:16x32"
    done = emberline(bert_bundle.layout.root, "--tensorrt", "fp16", "--gpu", "sm86", "--profiles", profile)
    assert done.returncode == 2
    assert done.stderr.startswith("emberline: profile 8x8:4x8:16x32: its smallest (min) shape")
    assert len(done.stderr.splitlines()) == 1
    assert not (bert_bundle.layout.root / "engines").exists()


def test_a_repository_is_written_from_the_command_line(bert_bundle: Bundle, tmp_path: Path) -> None:
    """The same command writes a repository for Triton, in fp16 by default."""
    done = emberline(bert_bundle.layout.root, "--triton", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "models/emberline_encoder_onnx/1/model.onnx").read_bytes()
    assert written == bert_bundle.layout.encoder("fp16").read_bytes()
    assert "tritonserver --model-repository" in done.stdout


def test_a_bundle_is_all_they_take(bert_bundle: Bundle, tmp_path: Path) -> None:
    """A second folder with --tensorrt is rejected, and so is a run without a folder to write."""
    done = emberline(bert_bundle.layout.root, tmp_path / "other", "--tensorrt", "fp16")
    assert "take only a bundle" in done.stderr
    assert "the folder to write is missing" in emberline(bert_bundle.layout.root).stderr


def test_names_are_checked() -> None:
    """Unknown precisions and libraries are refused with those that are known; names with dashes are understood."""
    assert parse_precisions("fp32, int8-fp16,fp32") == ("fp32", "int8-fp16")
    assert parse_library("tensorrt-rtx") == "tensorrt_rtx"
    with pytest.raises(ConfigError, match="choose from fp32, fp16, int8, int8-fp16"):
        parse_precisions("fp8")
    with pytest.raises(ConfigError, match="choose from fp32"):
        parse_precisions(" ")
    with pytest.raises(ConfigError, match="needs no GPU"):
        parse_library("trt")


def test_the_architecture_is_that_of_the_machines_gpu_by_default(
    bert_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --gpu, engines are for the GPU of the machine; without one, the error says so."""
    built: list[str] = []
    monkeypatch.setattr(command, "build_engine", lambda *given, **_: built.append(given[2]))
    monkeypatch.setattr(command, "find_gpu", lambda: Gpu("Fake GPU", (8, 9), 1))
    build_engines(bert_bundle.layout.root, "fp16", None, "data", "tensorrt", Console(quiet=True))
    assert built == ["sm89"]

    def nowhere() -> Gpu:
        raise DeviceUnavailable("looking for a GPU: no driver")

    monkeypatch.setattr(command, "find_gpu", nowhere)
    with pytest.raises(DeviceUnavailable, match="no driver"):
        build_engines(bert_bundle.layout.root, "fp16", None, "data", "tensorrt", Console(quiet=True))
