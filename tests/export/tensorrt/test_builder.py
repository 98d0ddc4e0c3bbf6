from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emberline.engine.bundle import Bundle, sha256
from emberline.engine.errors import (
    BundleCorrupt,
    BundleError,
    ConfigError,
    DeviceUnavailable,
    ExportError,
)
from emberline.engine.runtime.gpu import Gpu
from emberline.engine.runtime.tensorrt.library import Library
from emberline.engine.runtime.tensorrt.manifest import (
    ENGINE_PRECISIONS,
    EngineFile,
    EngineManifest,
    EnginePrecision,
    manifest_path,
)
from emberline.engine.runtime.tensorrt.profiles import Profile, parse_profiles
from emberline.export.tensorrt import architectures, builder
from emberline.export.tensorrt.builder import build_engine
from emberline.export.tensorrt.job import BuildJob, BuildResult
from emberline.export.tensorrt.process import BuildProcess

PROFILES = parse_profiles("1x1:4x16:8x16,1x1:2x32:4x32")


class FakeProcess(BuildProcess):
    """A builder's process that writes a few bytes, or fails halfway."""

    jobs: list[BuildJob]

    def __init__(self, job: BuildJob) -> None:
        self.job = job
        FakeProcess.jobs.append(job)

    def run(self, progress: Any) -> BuildResult:
        """Write an engine of a few bytes."""
        Path(self.job.out).write_bytes(b"an engine of " + self.job.architecture.encode())
        progress("Building engine")
        return BuildResult((), (), {"MATRIX_MULTIPLY FLOAT": 16})


class HalfProcess(FakeProcess):
    """One that dies when half of the engine is written."""

    def run(self, _: Any) -> BuildResult:
        """Fail halfway."""
        Path(self.job.out).write_bytes(b"an engi")
        raise ExportError("killed")


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TensorRT for RTX that knows sm86 and sm89, for tests that build with a process that only pretends to."""
    FakeProcess.jobs = []

    class Module:
        __version__ = "1.7.1"

        class ComputeCapability:
            __members__ = dict.fromkeys(("NONE", "CURRENT", "SM86", "SM120", "SM89"))

    monkeypatch.setattr(builder, "load_library", lambda _: Module)


def build(
    bundle: Bundle,
    precision: EnginePrecision = "fp32",
    architecture: str = "sm86",
    profiles: tuple[Profile, ...] = PROFILES,
    library: Library = "tensorrt_rtx",
    progress: Callable[[str], None] = str,
    start: type[BuildProcess] = FakeProcess,
) -> EngineFile:
    """Build, by default with TensorRT for RTX, and ignore the progress."""
    return build_engine(bundle, precision, architecture, profiles, library=library, progress=progress, start=start)


def test_engine_lies_beside_its_manifest(bert_bundle: Bundle) -> None:
    """An engine is in the bundle's folder `engines`, with a manifest that describes it."""
    file = build(bert_bundle)
    assert file.path == bert_bundle.layout.root / "engines" / "encoder.fp32.sm86.engine"
    manifest = EngineManifest.read(manifest_path(file.path))
    assert manifest == file.manifest
    assert manifest.source_sha256 == sha256(bert_bundle.layout.encoder("fp32"))
    assert (manifest.sha256, manifest.bytes) == (sha256(file.path), file.path.stat().st_size)
    assert (manifest.architecture, manifest.library, manifest.version) == ("sm86", "tensorrt_rtx", "1.7.1")
    assert manifest.profiles == PROFILES
    assert manifest.layers == {"MATRIX_MULTIPLY FLOAT": 16}
    assert Bundle.open(bert_bundle.layout.root).manifest == bert_bundle.manifest


def test_each_precision_is_built_from_its_graph(bert_bundle: Bundle) -> None:
    """int8 engines come from the bundle's int8-trt, and int8-fp16 from a copy of it in half precision."""
    for precision in ENGINE_PRECISIONS:
        build(bert_bundle, precision)
    names = [Path(job.onnx).name for job in FakeProcess.jobs]
    assert names == [f"encoder.{name}.onnx" for name in ("fp32", "fp16", "int8-trt", "int8-trt")]
    assert [job.facts.dtype for job in FakeProcess.jobs] == ["FLOAT", "HALF", "FLOAT", "HALF"]
    assert {Path(job.onnx).parent for job in FakeProcess.jobs[:3]} == {bert_bundle.layout.root}


def test_engine_that_is_there_is_not_built_again(bert_bundle: Bundle) -> None:
    """The same engine is built once; another architecture or other profiles give another one."""
    for architecture, profiles in (("sm86", PROFILES), ("sm86", PROFILES), ("sm89", PROFILES), ("sm86", PROFILES[1:])):
        build(bert_bundle, architecture=architecture, profiles=profiles)
    assert len(FakeProcess.jobs) == 3


def test_version_is_part_of_the_key(bert_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine of another version of TensorRT is built again, and replaced."""
    first = build(bert_bundle)
    monkeypatch.setattr(builder.load_library("tensorrt_rtx"), "__version__", "1.8.0")
    second = build(bert_bundle)
    assert len(FakeProcess.jobs) == 2
    assert second.path == first.path
    assert second.manifest.key != first.manifest.key


def test_altered_engine_is_built_again(bert_bundle: Bundle) -> None:
    """An altered engine is rejected by its readers, and the next build replaces it."""
    file = build(bert_bundle)
    file.path.write_bytes(b"something else of the size"[: file.manifest.bytes])
    with pytest.raises(BundleCorrupt, match=r"does not match its manifest; build it again: emberline export"):
        EngineFile.open(bert_bundle, "fp32", "sm86")
    build(bert_bundle)
    assert EngineFile.open(bert_bundle, "fp32", "sm86").path.read_bytes() == b"an engine of sm86"


def test_build_that_fails_halfway_leaves_nothing(bert_bundle: Bundle) -> None:
    """A build that dies leaves no engine to its readers; one that was there before stays."""
    with pytest.raises(ExportError, match="killed"):
        build(bert_bundle, start=HalfProcess)
    with pytest.raises(BundleError, match=r"no engine encoder\.fp32\.sm86\.engine in .* \(it has none\)"):
        EngineFile.open(bert_bundle, "fp32", "sm86")
    folder = bert_bundle.layout.root / "engines"
    assert [path.name for path in folder.iterdir()] == [".lock"]
    before = build(bert_bundle)
    with pytest.raises(ExportError, match="killed"):
        build(bert_bundle, profiles=PROFILES[1:], start=HalfProcess)
    assert EngineFile.open(bert_bundle, "fp32", "sm86") == before


def test_engine_without_a_manifest_is_not_found(bert_bundle: Bundle) -> None:
    """Between the two moves into place, a reader finds no engine rather than half of one."""
    file = build(bert_bundle)
    build(bert_bundle, architecture="sm89")
    manifest_path(file.path).unlink()
    with pytest.raises(BundleError, match=r"no engine encoder\.fp32\.sm86\.engine .*\(it has encoder\.fp32\.sm89\)"):
        EngineFile.open(bert_bundle, "fp32", "sm86")


def test_leftovers_of_a_killed_build_are_removed(bert_bundle: Bundle) -> None:
    """The next build removes what a killed build left behind."""
    left = bert_bundle.layout.root / "engines" / ".build-abc"
    left.mkdir(parents=True)
    (left / "encoder.fp32.sm86.engine").write_bytes(b"half")
    build(bert_bundle)
    assert not left.exists()


def test_builds_of_one_bundle_wait_for_each_other(bert_bundle: Bundle) -> None:
    """A second build on a bundle says that it waits, and begins when the first has ended."""
    folder = bert_bundle.layout.root / "engines"
    folder.mkdir()
    said: list[str] = []
    waits = threading.Event()

    def progress(phase: str) -> None:
        said.append(phase)
        waits.set()

    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=lambda: build(bert_bundle, progress=progress))
        second.start()
        assert waits.wait(60)
        assert not FakeProcess.jobs
    second.join(60)
    assert said == [f"waiting for another build in {folder}", "Building engine"]


def test_engine_of_another_encoder_is_refused(bert_bundle: Bundle) -> None:
    """An engine that was copied from another bundle is refused: its source is not this bundle's encoder."""
    path = manifest_path(build(bert_bundle).path)
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "source_sha256": "0" * 64}))
    with pytest.raises(BundleError, match="was built from another encoder than the bundle's"):
        EngineFile.open(bert_bundle, "fp32", "sm86")


def test_unreadable_manifest_is_corrupt(bert_bundle: Bundle) -> None:
    """A manifest that cannot be read, lacks a field or is of another schema is refused by name."""
    path = manifest_path(build(bert_bundle).path)
    whole = json.loads(path.read_text())
    for text, words in (
        ("{", "cannot be read"),
        (json.dumps({**whole, "schema": 99}), "has schema 99"),
        (json.dumps({name: value for name, value in whole.items() if name != "key"}), "lacks or misnames"),
        (json.dumps({**whole, "profiles": ["1x1"]}), "is not a profile"),
    ):
        path.write_text(text)
        with pytest.raises(BundleError, match=words):
            EngineFile.open(bert_bundle, "fp32", "sm86")


def test_unknown_architecture_is_refused(bert_bundle: Bundle) -> None:
    """An architecture that TensorRT for RTX does not support is rejected, and the error lists the supported ones."""
    with pytest.raises(ConfigError, match=r"architecture 'sm90': .* builds for sm86, sm89, sm120"):
        build(bert_bundle, architecture="sm90")


def test_precision_without_a_graph_is_refused(bert_bundle: Bundle) -> None:
    """A precision whose graph the bundle lacks is refused with those that it has."""
    encoders = {name: graph for name, graph in bert_bundle.manifest.encoders.items() if name != "int8-trt"}
    bundle = replace(bert_bundle, manifest=msgspec.structs.replace(bert_bundle.manifest, encoders=encoders))
    with pytest.raises(BundleError, match="no encoder in int8-trt, which int8 is built from; it has fp32, fp16"):
        build(bundle, "int8")


def test_profiles_are_checked_before_anything_else(bert_bundle: Bundle) -> None:
    """Profiles that leave the longest text out are refused before a process is started."""
    with pytest.raises(ConfigError, match="no profile takes a text of 32 tokens"):
        build(bert_bundle, profiles=PROFILES[:1])
    assert not FakeProcess.jobs


def test_tensorrt_builds_for_the_gpu_at_hand_only(bert_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT builds for the GPU of the machine: another architecture is rejected, with a way out."""
    monkeypatch.setattr(architectures, "find_gpu", lambda: Gpu("Fake GPU", (8, 9), 1))
    with pytest.raises(ConfigError, match=r"which is sm89 \(Fake GPU\); build there, or use TensorRT for RTX"):
        build(bert_bundle, library="tensorrt")
    assert build(bert_bundle, architecture="sm89", library="tensorrt").manifest.library == "tensorrt"


def test_tensorrt_without_a_gpu_is_told_so(bert_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build with TensorRT proper on a machine without a GPU fails with why there is none."""

    def nowhere() -> Gpu:
        raise DeviceUnavailable("looking for a GPU: no driver")

    monkeypatch.setattr(architectures, "find_gpu", nowhere)
    with pytest.raises(DeviceUnavailable, match="no driver"):
        build(bert_bundle, library="tensorrt")
