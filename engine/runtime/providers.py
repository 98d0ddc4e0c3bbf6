"""ONNX Runtime on a GPU: its libraries found or named, its options, and the proof that the GPU is what runs.

By itself ONNX Runtime goes on without the provider that was asked for, and runs on the CPU what a provider does not
take. Both are errors here.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import importlib.util
import io
import mmap
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

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
#: The graph of one node that wraps an engine; loaded in place of the encoder, it spares the build.
CONTEXT: Final = "encoder_ctx.onnx"
#: Where the work is. The rest of a BERT graph is arithmetic on shapes, which ONNX Runtime leaves to the CPU on purpose.
_HEAVY: Final = re.compile(r"MatMul|Gemm|Softmax|Attention|LayerNorm|Gelu|Erf|QuantizeLinear")
#: Written into a graph by dynamic quantisation.
_DYNAMIC: Final = (b"DynamicQuantizeLinear", b"MatMulInteger")


def require(device: Device, ort: ModuleType) -> None:
    """Check that ONNX Runtime can use a GPU here, and load what it needs for that.

    Args:
        device: ``cuda`` or ``tensorrt``.
        ort: the module `onnxruntime`.

    Raises:
        MissingExtra: cuda-bindings is not installed.
        DeviceUnavailable: this build of ONNX Runtime has no such provider, a library is missing, or there is no GPU.
    """
    available = ort.get_available_providers()
    if PROVIDERS[device] not in available:
        raise DeviceUnavailable(
            f"device {device!r} needs ONNX Runtime's {PROVIDERS[device]}, and the installed build has only "
            f"{', '.join(available)}; install emberline[gpu] in place of emberline[cpu], or set device to 'cpu'"
        )
    capi = Path(str(ort.__file__)).parent / "capi"
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
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
    """Load the TensorRT that ONNX Runtime was linked with, out of Python's packages if it is there."""
    spec = importlib.util.find_spec("tensorrt_libs")
    if spec is None or not spec.submodule_search_locations:
        return  # it may be installed for the whole system; if not, the provider's own loading says what is missing
    folder = Path(spec.submodule_search_locations[0])
    major = linked_tensorrt(provider)
    if not (folder / f"libnvinfer.so.{major}").exists():
        held = ", ".join(sorted(path.name for path in folder.glob("libnvinfer.so.*"))) or "no libnvinfer at all"
        raise DeviceUnavailable(
            f"device 'tensorrt' is ONNX Runtime {version}, which needs TensorRT {major} (libnvinfer.so.{major}); the "
            f"installed package has {held}: install emberline[tensorrt] from NVIDIA's package index, or run an engine "
            "of the installed version as device 'tensorrt-engine'"
        )
    for name in ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser"):
        with contextlib.suppress(OSError):  # told, with its name, when the provider is loaded
            ctypes.CDLL(str(folder / f"{name}.so.{major}"), ctypes.RTLD_GLOBAL)


def linked_tensorrt(provider: Path) -> str:
    """The major version of TensorRT that ONNX Runtime's provider is linked with, as its file says."""
    with provider.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        match = re.search(rb"libnvinfer\.so\.(\d+)", data)
        return match[1].decode() if match else "10"


def installed_tensorrt() -> str:
    """The version of the installed TensorRT package; empty if it was installed for the whole system."""
    names = [name for name in importlib.metadata.packages_distributions().get("tensorrt_libs", ()) if name]
    return importlib.metadata.version(names[0]) if names else ""


def check_static(path: Path, device: Device) -> None:
    """Refuse a dynamically quantised graph on a GPU, where it is several times slower than fp32.

    Raises:
        DeviceUnavailable: it is one.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = [name.decode() for name in _DYNAMIC if data.find(name) >= 0]
    if found:
        raise DeviceUnavailable(
            f"{path.name} is quantised dynamically ({', '.join(found)}), which is slower on {device!r} than fp32; "
            "use a precision with static scales, or fp16"
        )


def tensorrt_options(folder: Path, profiles: Sequence[Profile]) -> dict[str, str]:
    """Options of ONNX Runtime's TensorRT provider. Precision is not among them: the graph has it.

    Args:
        folder: an absolute path; engine, timings and the graph that wraps the engine are kept there.
        profiles: the shapes that the engine is built for.
    """
    return {
        "trt_engine_cache_enable": "1",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
        "trt_dump_ep_context_model": "1",
        # The engine lies beside this file, under a relative name, so that the folder can be moved.
        "trt_ep_context_file_path": str(folder / CONTEXT),
        "trt_ep_context_embed_mode": "0",
        **tensorrt_shapes(profiles),
    }


def tensorrt_shapes(profiles: Sequence[Profile]) -> dict[str, str]:
    """The options of ONNX Runtime's TensorRT provider that say which shapes an engine is built for."""
    return {
        "trt_profile_min_shapes": _shapes(profile.smallest for profile in profiles),
        "trt_profile_opt_shapes": _shapes(profile.typical for profile in profiles),
        "trt_profile_max_shapes": _shapes(profile.largest for profile in profiles),
    }


def _shapes(shapes: Iterable[Shape]) -> str:
    def one(shape: Shape) -> str:
        return ",".join(f"{name}:{shape}" for name in ("input_ids", "attention_mask"))

    return ",".join(map(one, shapes))


def check_assignment(nodes: Sequence[tuple[str, str]], provider: str, name: str) -> None:
    """Check that the device that was asked for does the work.

    Args:
        nodes: the provider and the operator of each node.
        provider: the one that was asked for.
        name: of the graph's file.

    Raises:
        DeviceUnavailable: another provider does part of the work.
    """
    elsewhere = Counter(
        f"{operator} on {held}" for held, operator in nodes if held != provider and _HEAVY.search(operator)
    )
    if elsewhere or not any(held == provider for held, _ in nodes):
        listed = ", ".join(f"{count} × {what}" for what, count in sorted(elsewhere.items())) or "all of it elsewhere"
        raise DeviceUnavailable(
            f"{provider} was asked to run {name}, but ONNX Runtime would run {listed}; use another precision or device"
        )
