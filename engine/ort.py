"""ONNX Runtime sessions that run what was asked for, where it was asked for, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from .bundle import Graph, TensorSpec
from .config import Device
from .errors import BundleCorrupt, DeviceUnavailable, MissingExtra

_PROVIDERS: Final[dict[Device, str]] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_DTYPES: Final = {"tensor(float)": "float32", "tensor(int64)": "int64"}


def open_session(path: Path, graph: Graph, device: Device = "cpu") -> Any:
    """Open a graph and check that it is the one the manifest describes.

    Args:
        path: the ONNX file.
        graph: what the manifest says of it.
        device: where it shall run, all of it.

    Returns:
        An `onnxruntime.InferenceSession` for callers on several threads, each of which is one core's work.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        DeviceUnavailable: the device cannot run the graph here.
        BundleCorrupt: the graph cannot be loaded or has other inputs or outputs.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        raise MissingExtra("running a model", "cpu" if device == "cpu" else "gpu", "onnxruntime") from None
    provider = _PROVIDERS[device]
    if provider not in ort.get_available_providers():
        raise DeviceUnavailable(
            f"device {device!r} needs ONNX Runtime's {provider}, and the installed build has only "
            f"{', '.join(ort.get_available_providers())}; "
            "install emberline[gpu] in place of emberline[cpu], or set device to 'cpu'"
        )
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors come as exceptions; its warnings are about graphs we did not write
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Threads that spin for work take the core from another caller's.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device != "cpu":
        # Without this ONNX Runtime runs on the CPU, silently, whatever the device cannot.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = ort.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # the library's errors have no common base
        if device == "cpu":
            raise BundleCorrupt(f"{path} cannot be loaded ({error}); export the bundle again") from error
        raise DeviceUnavailable(f"device {device!r} cannot run {path.name}: {error}; set device to 'cpu'") from error
    # On a machine without the device ONNX Runtime only warns, and puts the CPU in its place.
    if session.get_providers()[0] != provider:
        raise DeviceUnavailable(
            f"device {device!r} was asked for, but {', '.join(session.get_providers())} would run {path.name}: "
            "the driver or its libraries are missing; install them, or set device to 'cpu'"
        )
    _check(path, "inputs", session.get_inputs(), graph.inputs)
    _check(path, "outputs", session.get_outputs(), graph.outputs)
    return session


def _check(path: Path, side: str, found: Sequence[Any], wanted: Sequence[TensorSpec]) -> None:
    has = {tensor.name: _DTYPES.get(tensor.type, tensor.type) for tensor in found}
    needs = {spec.name: spec.dtype for spec in wanted}
    if has != needs:
        raise BundleCorrupt(f"{path} has the {side} {has}, its manifest says {needs}; export the bundle again")
