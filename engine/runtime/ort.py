"""ONNX Runtime sessions, which run the described graph on the requested device or fail at the start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from emberline.engine.bundle import BundleFile, GraphSpec, TensorSpec
from emberline.engine.bundle.pack import PackedFile
from emberline.engine.devices import Device
from emberline.engine.errors import BundleCorrupt, DeviceUnavailable, MissingExtra

from . import providers
from .engine_cache import EngineCache

_DTYPES: Final = {"tensor(float)": "float32", "tensor(int64)": "int64"}
#: How long threads spin for the next operator: longer than the operators of a BERT wait for one another on one text.
_SPIN_MICROSECONDS: Final = "100"


def import_runtime(device: Device) -> ModuleType:
    """Import ONNX Runtime.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("running a model", "cpu" if device == "cpu" else "gpu", "onnxruntime") from None
    runtime: ModuleType = onnxruntime
    return runtime


def open_session(
    file: BundleFile, graph: GraphSpec, device: Device = "cpu", cache: EngineCache | None = None, cores: int = 1
) -> Any:
    """Open a graph and check it against the manifest.

    Args:
        file: the ONNX file: a path, or an entry of a packed bundle, which is not written out.
        graph: the manifest's description of the graph.
        device: the device to run on. On ``tensorrt``, ONNX Runtime builds an engine first, which takes minutes.
        cache: the cached engine and its shapes, for ``tensorrt``; None: build an engine for the first batch's shape.
        cores: CPU cores that work on one call.

    Returns:
        An `onnxruntime.InferenceSession`. With one core, several threads may call it at the same time, and each
        computes its own call. With more, it is for one caller at a time.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        DeviceUnavailable: the device cannot run the graph here.
        BundleCorrupt: the graph cannot be loaded or has other inputs or outputs.
    """
    ort = import_runtime(device)
    if device == "cpu":
        try:
            with _model(file) as model:
                session = ort.InferenceSession(model, _options(ort, cores), providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's errors have no common base
            raise BundleCorrupt(f"{file} cannot be loaded ({error}); export the bundle again") from error
    else:
        session = _open_on_gpu(ort, file, device, cache)
    _check(file, "inputs", session.get_inputs(), graph.inputs)
    _check(file, "outputs", session.get_outputs(), graph.outputs)
    return session


@contextmanager
def _model(file: BundleFile) -> Iterator[str | bytes]:
    """Return what ONNX Runtime loads: a path, or the bytes of an entry of a packed bundle.

    A session keeps bytes for as long as it lives, so on Linux the entry is a file in memory that is gone afterwards.
    """
    if isinstance(file, Path):
        yield str(file)
    elif isinstance(file, PackedFile) and sys.platform == "linux":
        with os.fdopen(os.memfd_create(file.name), "wb") as memory:
            file.write_to(memory)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        yield file.read_bytes()


def _options(ort: ModuleType, cores: int = 1) -> Any:
    options = ort.SessionOptions()
    # The arena keeps the memory of a batch for the next one. Batches are bounded in tokens, so it stays at some 50 MB;
    # with malloc in its place, or an arena that shrinks after each batch, the process takes 30 to 80 MB more.
    options.enable_cpu_mem_arena = True
    options.log_severity_level = 3  # errors are raised as exceptions; warnings concern graphs that are not ours
    options.intra_op_num_threads = cores
    options.inter_op_num_threads = 1
    # Threads spin between the operators of a call, because waking them takes longer than most operators. They stop
    # soon, and at the end of the call, because a spinning thread takes the core from threads that have work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if cores > 1 else "0")
    options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN_MICROSECONDS)
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _open_on_gpu(ort: ModuleType, graph: BundleFile, device: Device, cache: EngineCache | None) -> Any:
    providers.require(device, ort)
    providers.check_static(graph, device)
    provider = providers.PROVIDERS[device]

    def load(file: BundleFile, settings: Mapping[str, str]) -> Any:
        options = _options(ort)
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        providers_in_order = [(provider, dict(settings))]
        if device == "tensorrt":
            providers_in_order.append(
                (providers.PROVIDERS["cuda"], {})
            )  # for the few nodes that TensorRT does not support
        # With the fallback, ONNX Runtime would load the graph on the CPU, or move it there at any later error.
        with _model(file) as model:
            return ort.InferenceSession(model, options, providers=providers_in_order, enable_fallback=0)

    try:
        session = cache.session(load, graph) if device == "tensorrt" and cache is not None else load(graph, {})
    except Exception as error:  # the library's errors have no common base
        raise DeviceUnavailable(f"device {device!r} cannot run {graph.name}: {error}; set device to 'cpu'") from error
    # When a provider fails to start, ONNX Runtime only warns and uses the CPU instead.
    if session.get_providers()[0] != provider:
        raise DeviceUnavailable(
            f"device {device!r} was requested, but {', '.join(session.get_providers())} would run {graph.name}: "
            "the driver or its libraries are missing; install them, or set device to 'cpu'"
        )
    subgraphs = session.get_provider_graph_assignment_info()
    nodes = [(subgraph.ep_name, node.op_type) for subgraph in subgraphs for node in subgraph.get_nodes()]
    providers.check_assignment(nodes, provider, graph.name)
    return session


def _check(file: BundleFile, side: str, tensors: Sequence[Any], specs: Sequence[TensorSpec]) -> None:
    actual = {tensor.name: _DTYPES.get(tensor.type, tensor.type) for tensor in tensors}
    expected = {spec.name: spec.dtype for spec in specs}
    if actual != expected:
        raise BundleCorrupt(f"{file} has the {side} {actual}, its manifest says {expected}; export the bundle again")
