"""Builds in a process of their own: what TensorRT refuses, and what befalls a process."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import ExportError
from emberline.engine.runtime.tensorrt.profiles import parse_profiles
from emberline.export.tensorrt.graph import check_graph
from emberline.export.tensorrt.job import BuildJob
from emberline.export.tensorrt.process import BuildProcess

PROFILES = parse_profiles("1x1:4x16:8x16,1x1:2x32:4x32")

pytestmark = pytest.mark.usefixtures("rtx")


def nothing(phase: str) -> None:
    """Receives the phases and ignores them."""


@pytest.fixture
def job(graphs: BundleLayout, tmp_path: Path) -> BuildJob:
    """The build of the small BERT in fp32."""
    onnx_path = graphs.encoder("fp32")
    out = tmp_path / "out.engine"
    return BuildJob("tensorrt_rtx", str(onnx_path), check_graph(onnx_path, "fp32"), "sm86", PROFILES, str(out))


def test_engine_is_built_with_its_facts(job: BuildJob) -> None:
    """A build writes an engine, tells its phases, and describes inputs, outputs and layers."""
    phases: list[str] = []
    built = BuildProcess(job).run(phases.append)
    assert Path(job.out).stat().st_size > 100_000
    assert phases[0] == "Parsing"
    assert "Building engine" in phases
    assert phases[-1] == "Writing"
    assert [(spec.name, spec.dtype, spec.shape) for spec in (*built.inputs, *built.outputs)] == [
        ("input_ids", "int64", ("batch", "tokens")),
        ("attention_mask", "int64", ("batch", "tokens")),
        ("sentence_embedding", "float32", ("batch", 16)),
    ]
    assert built.layers["MATRIX_MULTIPLY FLOAT"] == 16


def test_layers_of_another_precision_stop_the_build(job: BuildJob) -> None:
    """A network whose layers are not those of the precision is refused before it is built."""
    wrong = replace(job, facts=replace(job.facts, dtype="HALF"))
    with pytest.raises(ExportError, match=r"'MATRIX_MULTIPLY FLOAT': 16.*, not .*'MATRIX_MULTIPLY HALF': 16"):
        BuildProcess(wrong).run(nothing)
    assert not Path(job.out).exists()


def _asymmetric(graphs: BundleLayout, target: Path) -> None:
    model = onnx.load(graphs.encoder("int8-trt"))
    for tensor in model.graph.initializer:
        if tensor.name.endswith(".zero_point") and ".weight." not in tensor.name:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + 3, tensor.name))
    onnx.save(model, target)


def _uint8(graphs: BundleLayout, target: Path) -> None:
    onnx.save(onnx.load(graphs.encoder("int8")), target)


def _dynamic(graphs: BundleLayout, target: Path) -> None:
    quantize_dynamic(graphs.encoder("fp32"), target, weight_type=QuantType.QInt8)


def _foreign(graphs: BundleLayout, target: Path) -> None:
    model = onnx.load(graphs.encoder("fp32"))
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    softmax.op_type, softmax.domain = "QuickGelu", "com.microsoft"
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, target)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_asymmetric, "Non-zero zero point is not supported"),
        (_uint8, "Non-zero zero point is not supported"),
        (_dynamic, "zero point"),
        (_foreign, "Plugin not found"),
    ],
)
def test_graphs_that_the_parser_refuses(
    job: BuildJob, graphs: BundleLayout, tmp_path: Path, make: Callable[[BundleLayout, Path], None], words: str
) -> None:
    """What our check of the graph is there to catch, TensorRT's parser refuses too; its words are passed on."""
    path = tmp_path / "bad.onnx"
    make(graphs, path)
    with pytest.raises(ExportError, match=rf"TensorRT cannot parse bad\.onnx: .*{words}"):
        BuildProcess(replace(job, onnx=str(path))).run(nothing)


def test_no_profile_is_refused_by_tensorrt(job: BuildJob) -> None:
    """Without a profile TensorRT refuses to build, and its reason is passed on."""
    with pytest.raises(ExportError, match="no optimization profile has been defined"):
        BuildProcess(replace(job, profiles=())).run(nothing)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file written meanwhile, by this process or those it starts, can be larger: a disk that fills."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_is_an_error(job: BuildJob) -> None:
    """An engine that the disk has no room for is an error that names the file and the reason."""
    with (
        file_size_limit(1 << 20),
        pytest.raises(ExportError, match=r"out\.engine cannot be written \(File too large\)"),
    ):
        BuildProcess(job).run(nothing)


@pytest.mark.parametrize("end", ["kill", "cancel"])
def test_build_that_is_ended_raises(job: BuildJob, end: str) -> None:
    """A build that is killed or cancelled in the middle raises which of the two it was."""
    build = BuildProcess(job)

    def stop(phase: str) -> None:
        if phase == "Building engine":
            if end == "cancel":
                build.cancel()
            else:
                build.process.send_signal(signal.SIGKILL)

    with pytest.raises(ExportError, match={"kill": "ended by SIGKILL while it built", "cancel": "was cancelled"}[end]):
        build.run(stop)


def test_interrupt_ends_the_process(job: BuildJob) -> None:
    """An interrupt, as by Ctrl-C, ends the builder's process and travels on."""
    build = BuildProcess(job)

    def interrupt(phase: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.run(interrupt)
    assert build.process.returncode == -signal.SIGKILL


def test_crash_is_told_with_its_last_words(job: BuildJob, tmp_path: Path) -> None:
    """A process that ends without an answer is an error with its exit code and the end of what it printed."""
    with pytest.raises(ExportError, match=r"ended with exit code 1 .*JSONDecodeError"):
        BuildProcess(_Broken(**{name: getattr(job, name) for name in job.__dataclass_fields__})).run(nothing)


class _Broken(BuildJob):
    def to_line(self) -> str:
        return "{"


def test_builder_ends_with_its_parent(job: BuildJob, tmp_path: Path) -> None:
    """A builder whose parent is killed ends by itself, in the middle of its work."""
    endless = tmp_path / "endless.onnx"
    os.mkfifo(endless)  # the parser waits for somebody to write to it
    program = (
        "import sys\n"
        "from emberline.export.tensorrt.job import BuildJob\n"
        "from emberline.export.tensorrt.process import BuildProcess\n"
        "build = BuildProcess(BuildJob.from_line(sys.argv[1]))\n"
        "build.run(lambda phase: print(build.process.pid, flush=True))\n"
    )
    line = replace(job, onnx=str(endless)).to_line()
    with subprocess.Popen([sys.executable, "-c", program, line], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    readable, _, _ = select.select([child], [], [], 60)
    if not readable:
        signal.pidfd_send_signal(child, signal.SIGKILL)
    assert readable, "the builder outlived its parent"
