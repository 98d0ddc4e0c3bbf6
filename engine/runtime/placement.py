"""Placement: opens the encoder on the first requested device that can run it, and notes why earlier ones cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from emberline.engine.bundle import PRECISIONS, Arithmetic, Bundle, BundleFile, GraphSpec, Precision, graph_of
from emberline.engine.config import EngineConfig, ServedPrecision
from emberline.engine.devices import AUTO, Device, parse_devices
from emberline.engine.errors import ConfigError, DeviceUnavailable, EmberlineError, MissingExtra
from emberline.engine.records import Integers

from . import providers
from .engine_cache import EngineCache, default_cache
from .gpu import find_gpu
from .openvino import OpenVinoSession
from .ort import import_runtime
from .session import OrtSession, Session
from .tensorrt.manifest import GATES, EngineFile, EnginePrecision
from .tensorrt.profiles import profiles_of

_log = logging.getLogger(__name__)

#: Maximum number of cores for one batch: the matrix products of a text or two have no work for more.
_MAX_BATCH_CORES: Final = 8


@dataclass(frozen=True, slots=True)
class Placement:
    """The opened encoder.

    Attributes:
        session: runs the encoder's batches.
        latency_sessions: candidates for a batch that comes to an idle engine, the likely faster one first; if empty,
            such a batch runs in `session` like any other.
        cores: number of cores that the first of the `latency_sessions` uses.
        precision: precision of the graph or engine; ``int8`` on TensorRT is the bundle's ``int8-trt``.
        gate: verdict of the accuracy gate on the precision.
        notes: why each earlier device of the list cannot run the encoder, and what ``auto`` chose.
    """

    session: Session
    precision: ServedPrecision
    gate: str
    notes: tuple[str, ...] = ()
    latency_sessions: tuple[Session, ...] = ()
    cores: int = 1


#: Returns the number of tokens of each text in the catalogue, (N,). Called only where an engine is built.
Lengths = Callable[[], Integers]

#: Opens the encoder on one device.
Opener = Callable[[Bundle, EngineConfig, Lengths], Placement]


def place(
    bundle: Bundle, config: EngineConfig, lengths: Lengths, openers: Mapping[Device, Opener] | None = None
) -> Placement:
    """Open the encoder on the first device that can run it.

    Args:
        bundle: the bundle with the encoder.
        config: devices, precision, and whether to serve a precision that failed its gate.
        lengths: returns the lengths of the catalogue's texts.
        openers: opens the encoder, by device.

    Raises:
        EmberlineError: the only requested device cannot run the encoder.
        DeviceUnavailable: none of several requested devices can; the message has the reason of each.
    """
    openers = OPENERS if openers is None else openers
    if config.precision is None and len(bundle.manifest.encoders) == 1:
        (only,) = (precision for precision in PRECISIONS if precision in bundle.manifest.encoders)
        config = replace(config, precision=only)
    devices, notes = parse_devices(config.device), []
    if config.device == AUTO:
        try:
            find_gpu()
        except (DeviceUnavailable, MissingExtra) as error:
            devices = ("cpu",)
            notes.append(f"no GPU: {error}")
    for device in devices:
        try:
            placement = openers[device](bundle, config, lengths)
        except EmberlineError as error:
            if len(devices) == 1:
                raise
            notes.append(f"{device}: {error}")
            _log.warning("device %s cannot run the encoder: %s", device, error)
            continue
        if config.device == AUTO:
            notes.append(f"{AUTO} chose {device}")
            _log.warning("device %s: %s", AUTO, "; ".join(notes))
        return replace(placement, notes=tuple(notes))
    raise DeviceUnavailable(f"none of the devices {config.device} can run the encoder: " + "; ".join(notes))


def _on_cpu(bundle: Bundle, config: EngineConfig, _: Lengths) -> Placement:
    precision = _of_a_graph(_without_bfloat16(config.served_precision, "cpu"), "cpu")
    gate, file, graph = _admitted(bundle, config, precision)
    cores = min(config.cores, _MAX_BATCH_CORES)
    session = OrtSession(file, graph, "cpu", cores=cores if config.mode == "latency" else 1)
    latency_sessions: tuple[Session, ...] = () if config.mode == "throughput" else (session,)
    if config.mode == "auto" and cores > 1:
        latency_sessions = OrtSession(file, graph, "cpu", cores=cores), session
    return Placement(session, precision, gate, latency_sessions=latency_sessions, cores=cores)


def _admitted(bundle: Bundle, config: EngineConfig, precision: Arithmetic) -> tuple[str, BundleFile, GraphSpec]:
    """Return the gate's verdict on a precision, and the graph that is computed in it."""
    gate = bundle.admit(precision, allow_failed_gate=config.allow_failed_gate)
    source = graph_of(precision)
    return gate, bundle.file(bundle.layout.encoder(source)), bundle.manifest.encoders[source]


def _of_a_graph(precision: ServedPrecision, device: Device) -> Arithmetic:
    if precision == "int8-fp16":
        raise DeviceUnavailable(f"int8-fp16 exists only as a TensorRT engine; on {device!r} choose int8")
    return precision


def _without_bfloat16(precision: ServedPrecision, device: Device) -> Precision | Literal["int8-fp16"]:
    if precision == "bf16":
        raise DeviceUnavailable(f"bf16 is computed on device 'openvino' alone; choose that, or fp16 on {device!r}")
    return precision


def _on_openvino(device: Device) -> Opener:
    def open_on(bundle: Bundle, config: EngineConfig, _: Lengths) -> Placement:
        asked = _of_a_graph(config.served_precision, "openvino")
        precision: Arithmetic = "int8-trt" if asked == "int8" else asked  # int8 has ONNX Runtime's own operators
        gate, file, graph = _admitted(bundle, config, precision)

        def compiled(streams: int) -> OpenVinoSession:
            return OpenVinoSession(file, graph, precision, device, streams=streams, cores=config.cores)

        session = compiled(config.workers)
        alone = config.mode == "auto" and config.cores > 1
        latency_sessions = (compiled(1), session) if alone else () if config.mode == "throughput" else (session,)
        return Placement(session, precision, gate, latency_sessions=latency_sessions, cores=config.cores)

    return open_on


def _on_cuda(bundle: Bundle, config: EngineConfig, _: Lengths) -> Placement:
    precision = config.served_precision
    if precision not in ("fp32", "fp16"):
        raise DeviceUnavailable(
            f"{precision} on 'cuda' is slower than fp32, because ONNX Runtime's CUDA provider cannot multiply "
            "int8; choose fp16, or device 'tensorrt'"
        )
    return _in_onnx_runtime(bundle, config, "cuda", precision)


def _on_tensorrt(bundle: Bundle, config: EngineConfig, lengths: Lengths) -> Placement:
    asked = _without_bfloat16(config.served_precision, "tensorrt")
    if asked == "int8-fp16":
        raise DeviceUnavailable(
            "int8-fp16 exists only as an engine built ahead of time; choose device 'tensorrt-engine'"
        )
    precision: Precision = "int8-trt" if asked == "int8" else asked
    return _in_onnx_runtime(bundle, config, "tensorrt", precision, lengths)


def _in_onnx_runtime(
    bundle: Bundle, config: EngineConfig, device: Device, precision: Precision, lengths: Lengths | None = None
) -> Placement:
    gate, file, graph = _admitted(bundle, config, precision)
    cache = _engine_cache(bundle, config, precision, lengths) if lengths else None
    return Placement(OrtSession(file, graph, device, cache), precision, gate)


def _engine_cache(bundle: Bundle, config: EngineConfig, precision: Precision, lengths: Lengths) -> EngineCache | None:
    ort = import_runtime("tensorrt")
    providers.require("tensorrt", ort)
    gpu = find_gpu()
    key = {
        "encoder": bundle.manifest.files[bundle.layout.encoder(precision).name].sha256,
        "onnxruntime": ort.__version__,
        "tensorrt": providers.installed_tensorrt(),
        "gpu": f"{gpu.name} {gpu.architecture}",
    }
    # Every profile takes the largest batch, because ONNX Runtime would build the engine again for a larger one.
    profiles = profiles_of(lengths(), bundle.manifest.max_length, batch=config.max_batch)
    root = config.cache or default_cache()
    if root is None:
        raise ConfigError(
            "device 'tensorrt' needs a folder for its engines, and this user has no home; set --cache DIR"
        )
    return EngineCache(root, key, profiles)


def _on_engine(bundle: Bundle, config: EngineConfig, _: Lengths) -> Placement:
    asked = _without_bfloat16(config.served_precision, "tensorrt-engine")
    precision: EnginePrecision = "int8" if asked == "int8-trt" else asked
    verdicts = [bundle.admit(source, allow_failed_gate=config.allow_failed_gate) for source in GATES[precision]]
    gpu = find_gpu()
    file = EngineFile.open(bundle, precision, gpu.architecture)
    from .tensorrt.session import TensorRTSession  # imports cuda-bindings, which find_gpu has checked for

    return Placement(TensorRTSession(file), precision, "failed" if "failed" in verdicts else "passed")


OPENERS: Final[Mapping[Device, Opener]] = {
    "cpu": _on_cpu,
    "openvino": _on_openvino("openvino"),
    "openvino:GPU": _on_openvino("openvino:GPU"),
    "openvino:NPU": _on_openvino("openvino:NPU"),
    "cuda": _on_cuda,
    "tensorrt": _on_tensorrt,
    "tensorrt-engine": _on_engine,
}
