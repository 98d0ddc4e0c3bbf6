"""ONNX Runtime on a GPU that is not here: what is missing is named, and the CPU never steps in."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest

from emberline.engine.bundle import Bundle
from emberline.engine.devices import Device
from emberline.engine.errors import DeviceUnavailable, MissingExtra
from emberline.engine.runtime import providers
from emberline.engine.runtime.engine_cache import EngineCache
from emberline.engine.runtime.gpu import Gpu, find_gpu
from emberline.engine.runtime.providers import (
    CONTEXT,
    check_assignment,
    check_static,
    linked_tensorrt,
    require,
    tensorrt_options,
)
from emberline.engine.runtime.session import OrtSession
from emberline.engine.runtime.tensorrt.profiles import parse_profiles

MISSING = "libcublasLt.so.13: cannot open shared object file: No such file or directory"


@pytest.fixture
def runtime(tmp_path: Path) -> ModuleType:
    """An ONNX Runtime for GPUs, whose TensorRT provider is linked with TensorRT 10."""
    module = ModuleType("onnxruntime")
    capi = tmp_path / "onnxruntime" / "capi"
    capi.mkdir(parents=True)
    for device in ("cuda", "tensorrt"):
        (capi / f"libonnxruntime_providers_{device}.so").write_bytes(b"\0libcudart.so.13\0libnvinfer.so.10\0")
    attributes = {
        "__file__": str(tmp_path / "onnxruntime" / "__init__.py"),
        "__version__": "1.31.1",
        "get_available_providers": lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider"],
        "preload_dlls": lambda: print("Failed to load this and that"),
    }
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def _install_tensorrt(folder: Path, major: str, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = folder / "tensorrt_libs"
    libraries.mkdir()
    (libraries / "__init__.py").touch()
    (libraries / f"libnvinfer.so.{major}").touch()
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_this_machine_refuses_a_gpu(tiny_bundle: Path, device: Device) -> None:
    """On this machine each GPU device fails at the start: for want of the provider, of a library, or of a GPU."""
    with contextlib.suppress(DeviceUnavailable, MissingExtra):
        find_gpu()
        pytest.skip("this machine has a GPU")
    bundle = Bundle.open(tiny_bundle)
    with pytest.raises(DeviceUnavailable, match=rf"device '{device}' needs (ONNX Runtime's|.*\.so)|looking for a GPU"):
        OrtSession(bundle.layout.encoder("fp32"), bundle.manifest.encoders["fp32"], device)


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_missing_library_is_named(
    runtime: ModuleType, device: Device, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library that the provider needs and the machine lacks is named, and nothing else is printed."""

    def load(path: str, mode: int) -> None:
        if path.endswith(f"providers_{device}.so"):
            raise OSError(MISSING)

    monkeypatch.setattr(ctypes, "CDLL", load)
    with pytest.raises(DeviceUnavailable, match=rf"device '{device}' needs a library that is missing: {MISSING}"):
        require(device, runtime)
    assert capsys.readouterr().out == ""


def test_a_machine_without_a_gpu_is_told_so(runtime: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every library is there, what is missing is the GPU itself."""

    def nowhere() -> Gpu:
        raise DeviceUnavailable("looking for a GPU: no driver")

    monkeypatch.setattr(ctypes, "CDLL", lambda *_: None)
    monkeypatch.setattr(providers, "find_gpu", nowhere)
    with pytest.raises(DeviceUnavailable, match="no driver"):
        require("cuda", runtime)


def test_a_library_that_is_no_library_is_an_error(runtime: ModuleType) -> None:
    """The provider's file is really loaded: one that cannot be is refused in the loader's words."""
    with pytest.raises(DeviceUnavailable, match=r"device 'cuda' needs a library that is missing: .*\.so: "):
        require("cuda", runtime)


def test_tensorrt_11_is_kept_apart(runtime: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime links TensorRT 10; with 11 installed it says so, and what each is for."""
    _install_tensorrt(tmp_path, "11", monkeypatch)
    with pytest.raises(DeviceUnavailable) as raised:
        require("tensorrt", runtime)
    assert "ONNX Runtime 1.31.1, which needs TensorRT 10 (libnvinfer.so.10)" in str(raised.value)
    assert "the installed package has libnvinfer.so.11: install emberline[tensorrt]" in str(raised.value)
    assert "device 'tensorrt-engine'" in str(raised.value)


def test_tensorrt_10_is_loaded_from_its_package(
    runtime: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT's package is on no search path of the loader's, so its libraries are loaded before the provider."""
    _install_tensorrt(tmp_path, "10", monkeypatch)
    loaded: list[str] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda path, _: loaded.append(Path(path).name))
    monkeypatch.setattr(providers, "find_gpu", lambda: Gpu("Fake GPU", (8, 6), 1))
    require("tensorrt", runtime)
    assert loaded[0] == "libnvinfer.so.10"
    assert loaded[-1] == "libonnxruntime_providers_tensorrt.so"


def test_the_linked_version_is_read_from_the_provider(tmp_path: Path) -> None:
    """The version of TensorRT is read off the provider's file, so it holds for other builds of ONNX Runtime."""
    path = tmp_path / "provider.so"
    path.write_bytes(b"...libnvonnxparser.so.12\0libnvinfer.so.12\0...")
    assert linked_tensorrt(path) == "12"


@pytest.mark.parametrize("name", [b"DynamicQuantizeLinear", b"MatMulInteger"])
def test_dynamic_int8_is_refused_on_a_gpu(tmp_path: Path, name: bytes) -> None:
    """A dynamically quantised graph is refused, for a GPU runs it slower than fp32."""
    path = tmp_path / "encoder.int8.onnx"
    path.write_bytes(b"graph" + name + b"graph")
    with pytest.raises(DeviceUnavailable, match=rf"encoder\.int8\.onnx is quantised dynamically \({name.decode()}\)"):
        check_static(path, "cuda")


def test_static_graphs_pass(tiny_bundle: Path) -> None:
    """Other graphs pass."""
    check_static(tiny_bundle / "encoder.fp32.onnx", "cuda")


def test_options_have_every_profile() -> None:
    """TensorRT's options have the shapes of both inputs for each profile in turn, and no precision."""
    options = tensorrt_options(Path("/cache/x"), parse_profiles("1x1:8x16:64x16,1x1:4x128:16x128"))
    assert options["trt_profile_min_shapes"] == "input_ids:1x1,attention_mask:1x1,input_ids:1x1,attention_mask:1x1"
    assert options["trt_profile_max_shapes"] == (
        "input_ids:64x16,attention_mask:64x16,input_ids:16x128,attention_mask:16x128"
    )
    assert options["trt_ep_context_file_path"] == "/cache/x/encoder_ctx.onnx"
    assert not {"trt_fp16_enable", "trt_int8_enable"} & set(options)


CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def test_arithmetic_on_shapes_may_stay_on_the_cpu() -> None:
    """ONNX Runtime leaves arithmetic on shapes to the CPU on purpose; that is no reason to refuse."""
    check_assignment([(CUDA, "MatMul"), (CPU, "Shape"), (CPU, "Gather"), (CUDA, "Softmax")], CUDA, "encoder")


@pytest.mark.parametrize("operator", ["MatMul", "FusedMatMul", "Attention", "LayerNormalization", "QuantizeLinear"])
def test_work_elsewhere_is_refused(operator: str) -> None:
    """An operator that is work must run where it was asked to; which does not, and where it would, is named."""
    with pytest.raises(DeviceUnavailable, match=f"2 × {operator} on {CPU}"):
        check_assignment([(CUDA, "Gemm"), (CPU, operator), (CPU, operator)], CUDA, "encoder")


def test_nothing_on_the_device_is_refused() -> None:
    """A graph of which no node runs on the device does not run on it."""
    with pytest.raises(DeviceUnavailable, match="all of it elsewhere"):
        check_assignment([(CPU, "Shape")], CUDA, "encoder")


def test_onnx_runtime_tells_where_nodes_run(tiny_bundle: Path) -> None:
    """The installed ONNX Runtime gives each node's provider and operator, as the check needs them."""
    options: Any = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(str(tiny_bundle / "encoder.fp32.onnx"), options, providers=[CPU])
    nodes = [
        (part.ep_name, node.op_type)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]
    assert (CPU, "MatMul") in nodes
    with pytest.raises(DeviceUnavailable, match=f"1 × MatMul on {CPU}"):
        check_assignment(nodes, CUDA, "encoder.fp32.onnx")


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_gpu_gives_the_cpus_vectors(gpu: Gpu, tiny_bundle: Path, tmp_path: Path, device: Device) -> None:
    """On a GPU, ONNX Runtime runs the encoder there, gives the CPU's vectors, and keeps the engine that it built."""
    bundle = Bundle.open(tiny_bundle)
    path, graph = bundle.layout.encoder("fp32"), bundle.manifest.encoders["fp32"]
    cache = EngineCache(tmp_path, {"gpu": gpu.name}, parse_profiles("1x1:4x16:8x32"))
    try:
        require(device, onnxruntime)
    except DeviceUnavailable as error:
        pytest.skip(str(error))
    ids = np.random.default_rng(0).integers(3, 60, (5, 20))
    mask = (np.arange(20) < np.array([[20], [1], [7], [13], [19]])).astype(np.int64)
    expected = OrtSession(path, graph, "cpu").run(ids, mask)
    for _ in range(2):  # built, then kept
        session = OrtSession(path, graph, device, cache)
        assert session.device == providers.PROVIDERS[device]
        assert session.run(ids, mask) == pytest.approx(expected, abs=1e-3)
    assert (cache.folder / CONTEXT).is_file() == (device == "tensorrt")
