"""ONNX Runtime's providers: loading their libraries, their options, and checks that the GPU does the work.

By default ONNX Runtime continues without a requested provider, and runs on the CPU what a provider does not support.
Both are errors here.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import io
import mmap
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

from emberline.engine.bundle import BundleFile
from emberline.engine.devices import Device
from emberline.engine.errors import DeviceUnavailable

from .gpu import find_gpu
from .tensorrt.profiles import Profile, Shape

PROVIDERS: Final[Mapping[Device, str]] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_LIBRARIES: Final[Mapping[Device, str]] = {
    "cuda": "libonnxruntime_providers_cuda.so",
    "tensorrt": "libonnxruntime_providers_tensorrt.so",
}
#: A graph with one node, which wraps an engine. Loading it in place of the encoder skips the build.
CONTEXT: Final = "encoder_ctx.onnx"
#: Operators that do the work. The rest of a BERT graph computes shapes, which ONNX Runtime assigns to the CPU on
#: purpose.
_HEAVY: Final = re.compile(r"MatMul|Gemm|Softmax|Attention|LayerNorm|Gelu|Erf|QuantizeLinear")
#: Operators that dynamic quantisation writes into a graph.
_DYNAMIC: Final = (b"DynamicQuantizeLinear", b"MatMulInteger")


def require(device: Device, ort: ModuleType) -> None:
    """Check that ONNX Runtime can use a GPU here, and load the libraries for it.

    Args:
        device: ``cuda`` or ``tensorrt``.
        ort: the module `onnxruntime`.

    Raises:
        MissingExtra: cuda-bindings is not installed.
        DeviceUnavailable: this build of ONNX Runtime does not have the provider, a library is missing, or there is no
            GPU.
    """
    available = ort.get_available_providers()
    if PROVIDERS[device] not in available:
        raise DeviceUnavailable(
            f"device {device!r} needs ONNX Runtime's {PROVIDERS[device]}, and the installed build has only "
            f"{', '.join(available)}; install emberline[gpu] in place of emberline[cpu], or set device to 'cpu'"
        )
    capi = Path(str(ort.__file__)).parent / "capi"
    with contextlib.redirect_stdout(io.StringIO()):  # it prints the libraries that it does not find
        ort.preload_dlls()
    library = capi / _LIBRARIES[device]
    if device == "tensorrt":
        _load_tensorrt(library, ort.__version__)
    try:
        ctypes.CDLL(str(capi / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise DeviceUnavailable(
            f"device {device!r} needs a library that is missing: {error}; install emberline[gpu]"
            + (" and emberline[tensorrt]" if device == "tensorrt" else "")
            + " and the NVIDIA driver, or set device to 'cpu'"
        ) from error
    find_gpu()


def _load_tensorrt(provider: Path, version: str) -> None:
    """Load the TensorRT that ONNX Runtime was linked with, from its Python package if that is installed."""
    spec = importlib.util.find_spec("tensorrt_libs")
    if spec is None or not spec.submodule_search_locations:
        return  # it may be installed system-wide; otherwise loading the provider reports what is missing
    folder = Path(spec.submodule_search_locations[0])
    major = linked_tensorrt(provider)
    if not (folder / f"libnvinfer.so.{major}").exists():
        installed = ", ".join(sorted(path.name for path in folder.glob("libnvinfer.so.*"))) or "no libnvinfer"
        raise DeviceUnavailable(
            f"device 'tensorrt' is ONNX Runtime {version}, which needs TensorRT {major} (libnvinfer.so.{major}); the "
            f"installed package has {installed}: install emberline[tensorrt] from NVIDIA's package index, or run an "
            "engine of the installed version as device 'tensorrt-engine'"
        )
    for name in ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser"):
        with contextlib.suppress(OSError):  # loading the provider reports the library by name
            ctypes.CDLL(str(folder / f"{name}.so.{major}"), ctypes.RTLD_GLOBAL)


def linked_tensorrt(provider: Path) -> str:
    """Return the major version of TensorRT that ONNX Runtime's provider is linked with, as found in its file."""
    with provider.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        match = re.search(rb"libnvinfer\.so\.(\d+)", data)
        return match[1].decode() if match else "10"


def installed_tensorrt() -> str:
    """Return the version of the installed TensorRT package; empty if TensorRT is installed system-wide."""
    import importlib.metadata  # which no other device needs

    names = [name for name in importlib.metadata.packages_distributions().get("tensorrt_libs", ()) if name]
    return importlib.metadata.version(names[0]) if names else ""


def check_static(file: BundleFile, device: Device) -> None:
    """Refuse a dynamically quantised graph on a GPU, where it is several times slower than fp32.

    Raises:
        DeviceUnavailable: the graph is dynamically quantised.
    """
    data = file.read_bytes()
    operators = [name.decode() for name in _DYNAMIC if data.find(name) >= 0]
    if operators:
        raise DeviceUnavailable(
            f"{file.name} is quantised dynamically ({', '.join(operators)}), which is slower on {device!r} than fp32; "
            "use a precision with static scales, or fp16"
        )


def tensorrt_options(folder: Path, profiles: Sequence[Profile]) -> dict[str, str]:
    """Return options of ONNX Runtime's TensorRT provider. Precision is not an option: it is a property of the graph.

    Args:
        folder: absolute path of the folder for the engine, its timings and the graph that wraps it.
        profiles: shapes that the engine is built for.
    """
    return {
        "trt_engine_cache_enable": "1",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
        "trt_dump_ep_context_model": "1",
        # The graph refers to the engine beside it by a relative name, so that the folder can be moved.
        "trt_ep_context_file_path": str(folder / CONTEXT),
        "trt_ep_context_embed_mode": "0",
        **tensorrt_shapes(profiles),
    }


def tensorrt_shapes(profiles: Sequence[Profile]) -> dict[str, str]:
    """Return the options of ONNX Runtime's TensorRT provider that set the shapes of an engine."""
    return {
        "trt_profile_min_shapes": _shapes(profile.smallest for profile in profiles),
        "trt_profile_opt_shapes": _shapes(profile.typical for profile in profiles),
        "trt_profile_max_shapes": _shapes(profile.largest for profile in profiles),
    }


def _shapes(shapes: Iterable[Shape]) -> str:
    def inputs(shape: Shape) -> str:
        return ",".join(f"{name}:{shape}" for name in ("input_ids", "attention_mask"))

    return ",".join(map(inputs, shapes))


def check_assignment(nodes: Sequence[tuple[str, str]], provider: str, name: str) -> None:
    """Check that the requested provider does the work.

    Args:
        nodes: the provider and the operator of each node.
        provider: the requested provider.
        name: name of the graph's file.

    Raises:
        DeviceUnavailable: another provider does part of the work.
    """
    elsewhere = Counter(
        f"{operator} on {actual}" for actual, operator in nodes if actual != provider and _HEAVY.search(operator)
    )
    if elsewhere or not any(actual == provider for actual, _ in nodes):
        listed = (
            ", ".join(f"{count} × {operator}" for operator, count in sorted(elsewhere.items())) or "all of it elsewhere"
        )
        raise DeviceUnavailable(
            f"{provider} was requested for {name}, but ONNX Runtime would run {listed}; use another precision or device"
        )
