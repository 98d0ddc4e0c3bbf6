"""ONNX Runtime sessions that run what was asked for, where it was asked for, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from emberline.engine.bundle import GraphSpec, TensorSpec
from emberline.engine.devices import Device
from emberline.engine.errors import BundleCorrupt, DeviceUnavailable, MissingExtra

from . import providers
from .engine_cache import EngineCache

_DTYPES: Final = {"tensor(float)": "float32", "tensor(int64)": "int64"}
#: Longer than a BERT's operators wait for one another on one text.
_SPIN_MICROSECONDS: Final = "100"


def import_runtime(device: Device) -> ModuleType:
    """ONNX Runtime.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("running a model", "cpu" if device == "cpu" else "gpu", "onnxruntime") from None
    runtime: ModuleType = onnxruntime
    return runtime


def open_session(
    path: Path, graph: GraphSpec, device: Device = "cpu", cache: EngineCache | None = None, cores: int = 1
) -> Any:
    """Open a graph and check that it is the one the manifest describes.

    Args:
        path: the ONNX file.
        graph: what the manifest says of it.
        device: where it shall run; on ``tensorrt``, ONNX Runtime builds an engine first, for minutes.
        cache: where such an engine is kept, and the shapes it is for; None: built anew, for whatever comes first.
        cores: of the CPU, that work on one call.

    Returns:
        An `onnxruntime.InferenceSession`. On one core it is for callers on several threads, each of which does its own
        call's work; on more, for one caller at a time.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        DeviceUnavailable: the device cannot run the graph here.
        BundleCorrupt: the graph cannot be loaded or has other inputs or outputs.
    """
    ort = import_runtime(device)
    if device == "cpu":
        try:
            session = ort.InferenceSession(str(path), _options(ort, cores), providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's errors have no common base
            raise BundleCorrupt(f"{path} cannot be loaded ({error}); export the bundle again") from error
    else:
        session = _open_on_gpu(ort, path, device, cache)
    _check(path, "inputs", session.get_inputs(), graph.inputs)
    _check(path, "outputs", session.get_outputs(), graph.outputs)
    return session


def _options(ort: ModuleType, cores: int = 1) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors come as exceptions; its warnings are about graphs we did not write
    options.intra_op_num_threads = cores
    options.inter_op_num_threads = 1
    # Between a call's operators its threads spin, for waking them takes longer than most operators; but not after it,
    # and not for long, because threads that spin for work take the core from whoever has some.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if cores > 1 else "0")
    options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN_MICROSECONDS)
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _open_on_gpu(ort: ModuleType, path: Path, device: Device, cache: EngineCache | None) -> Any:
    providers.require(device, ort)
    providers.check_static(path, device)
    provider = providers.PROVIDERS[device]

    def load(file: Path, settings: Mapping[str, str]) -> Any:
        options = _options(ort)
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        chosen = [(provider, dict(settings))]
        if device == "tensorrt":
            chosen.append((providers.PROVIDERS["cuda"], {}))  # for the few nodes that TensorRT leaves
        # Without fallback: it would load the graph on the CPU, and at any later error move it there.
        return ort.InferenceSession(str(file), options, providers=chosen, enable_fallback=0)

    try:
        session = cache.session(load, path) if device == "tensorrt" and cache is not None else load(path, {})
    except Exception as error:  # the library's errors have no common base
        raise DeviceUnavailable(f"device {device!r} cannot run {path.name}: {error}; set device to 'cpu'") from error
    # Where a provider does not start, ONNX Runtime only warns, and puts the CPU in its place.
    if session.get_providers()[0] != provider:
        raise DeviceUnavailable(
            f"device {device!r} was asked for, but {', '.join(session.get_providers())} would run {path.name}: "
            "the driver or its libraries are missing; install them, or set device to 'cpu'"
        )
    parts = session.get_provider_graph_assignment_info()
    nodes = [(part.ep_name, node.op_type) for part in parts for node in part.get_nodes()]
    providers.check_assignment(nodes, provider, path.name)
    return session


def _check(path: Path, side: str, found: Sequence[Any], wanted: Sequence[TensorSpec]) -> None:
    has = {tensor.name: _DTYPES.get(tensor.type, tensor.type) for tensor in found}
    needs = {spec.name: spec.dtype for spec in wanted}
    if has != needs:
        raise BundleCorrupt(f"{path} has the {side} {has}, its manifest says {needs}; export the bundle again")
