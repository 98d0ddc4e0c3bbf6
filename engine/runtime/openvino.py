"""The session that runs the encoder in OpenVINO, on an Intel CPU or GPU."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

import numpy as np

from emberline.engine.bundle import Arithmetic, BundleFile, GraphSpec
from emberline.engine.devices import Device
from emberline.engine.errors import BundleCorrupt, DeviceUnavailable, MissingExtra
from emberline.engine.machine import processor
from emberline.engine.records import Floats, Integers

#: What it is told to compute in, where the graph itself does not say so: by itself it takes bfloat16 where it can.
_HINTS: Final[Mapping[Arithmetic, str]] = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8-trt": "f32"}
#: How its matrix products are named in the compiled graph, and the number formats that they may have there.
_PRODUCT: Final = "FullyConnected"
_FORMATS: Final[Mapping[Arithmetic, frozenset[str]]] = {
    "fp32": frozenset({"f32"}),
    "fp16": frozenset({"f16"}),
    "bf16": frozenset({"bf16"}),
    "int8-trt": frozenset({"i8", "u8"}),
}
#: Features of a CPU that multiplies bfloat16: Intel's and AMD's, and ARM's.
_BFLOAT16: Final = frozenset({"amx_bf16", "avx512_bf16", "bf16"})


def import_openvino() -> ModuleType:
    """Import OpenVINO.

    Raises:
        MissingExtra: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError:
        raise MissingExtra("device 'openvino'", "openvino", "openvino") from None
    module: ModuleType = openvino
    return module


def require_bfloat16() -> None:
    """Check that this machine computes bf16.

    Raises:
        MissingExtra: OpenVINO is not installed.
        DeviceUnavailable: the CPU does not multiply bfloat16, as far as the system says.
    """
    import_openvino()
    name, features = processor()
    if _BFLOAT16.isdisjoint(features):
        raise DeviceUnavailable(
            f"bf16 is not computed by this CPU ({name} has neither AMX nor AVX512_BF16), and OpenVINO would emulate it "
            "slowly; choose int8 or fp32"
        )


class OpenVinoSession:
    """Runs a graph in OpenVINO. May be called from several threads at a time."""

    def __init__(
        self, file: BundleFile, graph: GraphSpec, precision: Arithmetic, device: Device, *, streams: int, cores: int
    ) -> None:
        """Compile a graph, and check that it runs as asked.

        Args:
            file: the ONNX file.
            graph: the manifest's description of the graph.
            precision: what its matrix products are computed in.
            device: ``openvino``, or with a colon what OpenVINO shall run it on.
            streams: number of calls that run at the same time, each on its share of the cores.
            cores: number of CPU cores in all.

        Raises:
            MissingExtra: OpenVINO is not installed.
            DeviceUnavailable: it cannot run the graph here, or only in another precision.
            BundleCorrupt: it cannot read the graph.
        """
        openvino = import_openvino()
        self._target = device.partition(":")[2] or "CPU"
        core = openvino.Core()
        self._require_target(core, device)
        if precision == "bf16" and self._target == "CPU":
            require_bfloat16()
        try:
            model = core.read_model(file.read_bytes())
        except Exception as error:  # the library's errors have no common base
            raise BundleCorrupt(
                f"{file} cannot be read by OpenVINO ({_reason(error)}); export the bundle again"
            ) from error
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _HINTS[precision]}
        if self._target == "CPU":
            options |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": cores}
        try:
            compiled = core.compile_model(model, self._target, options)
        except Exception as error:  # likewise
            raise DeviceUnavailable(
                f"device {device!r} cannot run {file.name}: {_reason(error)}; choose device 'cpu'"
            ) from error
        if self._target == "CPU":
            _check_formats(compiled, precision, file.name)
        self._device = f"OpenVINO {str(openvino.__version__).partition('-')[0]} on {self._target}"
        self._inputs = tuple(spec.name for spec in graph.inputs)
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())
        # OpenVINO's binding waits for itself for ever where two threads are the first to hand an array over.
        self.run(np.ones((1, 2), np.int64), np.ones((1, 2), np.int64))

    @property
    def device(self) -> str:
        """The library and what it runs on."""
        return self._device

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch; see `Session.run`."""
        request = self._requests.get()  # as many as there are streams; more callers wait
        try:
            request.infer(dict(zip(self._inputs, (ids, mask), strict=True)), share_inputs=True)
            vectors: Floats = request.get_output_tensor(0).data.copy()  # (B, H), before the request is used again
        finally:
            self._requests.put(request)
        return vectors

    def _require_target(self, core: Any, device: Device) -> None:
        available = core.available_devices
        if not any(name.partition(".")[0] == self._target for name in available):
            raise DeviceUnavailable(
                f"device {device!r} needs a device {self._target}, and OpenVINO finds only {', '.join(available)} "
                f"here: install its driver, or choose device 'openvino'"
            )


def _check_formats(compiled: Any, precision: Arithmetic, name: str) -> None:
    """Check what the matrix products are computed in, which a hint does not decide.

    Raises:
        DeviceUnavailable: one of them has another number format.
    """
    infos = [operator.get_rt_info() for operator in compiled.get_runtime_model().get_ops()]
    formats = {info["runtimePrecision"].astype(str) for info in infos if info["layerType"].astype(str) == _PRODUCT}
    if other := formats - _FORMATS[precision]:
        raise DeviceUnavailable(
            f"{precision} was requested, but OpenVINO would compute products of {name} in {', '.join(sorted(other))} "
            "here; choose another precision"
        )


def _reason(error: Exception) -> str:
    """The last line of the library's message; those before it say where in its own source it arose."""
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
