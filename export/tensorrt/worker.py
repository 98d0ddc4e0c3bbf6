"""The builder's process: parses a graph, checks its layers, builds the engine and writes it.

The build has its own process because some errors of TensorRT end the process, and because a process can be killed. It
exits when its standard input closes, which means that its parent has gone.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from emberline.engine.bundle import TensorSpec
from emberline.engine.errors import EmberlineError, ExportError
from emberline.engine.runtime.tensorrt.library import load_library, make_logger
from emberline.engine.runtime.tensorrt.profiles import Shape

from .job import BuildJob, BuildResult

if TYPE_CHECKING:
    import tensorrt_rtx as rtx

_NAMES: Final = ("batch", "tokens")
_DTYPES: Final = {"FLOAT": "float32", "HALF": "float16", "INT64": "int64", "INT32": "int32"}


def main(line: str) -> int:
    """Run a job and report on standard output.

    Args:
        line: the job as a line of JSON.

    Returns:
        The exit code: 0 if the engine is written.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job = BuildJob.from_line(line)
    try:
        _say("built", _build(job).to_json())
    except EmberlineError as error:
        _say("error", str(error))
        return 1
    except OSError as error:
        _say("error", f"{job.out} cannot be written ({error.strerror}); free room on that disk")
        return 1
    return 0


def _build(job: BuildJob) -> BuildResult:
    trt = load_library(job.library)
    logger = make_logger(trt)
    builder: rtx.Builder = trt.Builder(logger)
    network = builder.create_network(_strongly_typed(trt))
    parser: rtx.OnnxParser = trt.OnnxParser(network, logger)
    _say("phase", "Parsing")
    if not parser.parse_from_file(job.onnx):
        errors = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise ExportError(f"TensorRT cannot parse {Path(job.onnx).name}: {_words(errors)}")
    layers = _layers(network)
    _check_layers(job, layers)
    config = builder.create_builder_config()
    config.progress_monitor = _monitor(trt)
    if job.library == "tensorrt_rtx":
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.__members__[job.architecture.upper()], 0)
    for given in job.profiles:
        profile = builder.create_optimization_profile()
        for index in range(network.num_inputs):
            name = network.get_input(index).name
            profile.set_shape(name, _dims(given.smallest), _dims(given.typical), _dims(given.largest))
        if config.add_optimization_profile(profile) < 0:
            raise ExportError(f"TensorRT refuses the profile {given}: {_words(logger.errors)}")
    engine: Any = builder.build_serialized_network(network, config)
    if engine is None:
        raise ExportError(
            f"TensorRT cannot build {Path(job.onnx).name} for {job.architecture}: {_words(logger.errors)}"
        )
    _say("phase", "Writing")
    with Path(job.out).open("wb") as file:
        file.write(memoryview(engine))
        file.flush()
        os.fsync(file.fileno())
    inputs = tuple(_spec(network.get_input(index)) for index in range(network.num_inputs))
    outputs = tuple(_spec(network.get_output(index)) for index in range(network.num_outputs))
    return BuildResult(inputs, outputs, layers)


def _dims(shape: Shape) -> Any:  # TensorRT converts tuples to its Dims
    return shape.batch, shape.tokens


def _strongly_typed(trt: ModuleType) -> int:
    # Without the flag, TensorRT 10 would choose types itself. TensorRT 11 never does, and may drop the flag.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _layers(network: rtx.INetworkDefinition) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        counts[f"{layer.type.name} {layer.get_output(0).dtype.name}"] += 1
    return dict(sorted(counts.items()))


def _check_layers(job: BuildJob, layers: dict[str, int]) -> None:
    expected = {
        f"MATRIX_MULTIPLY {job.facts.dtype}": job.facts.products,
        "QUANTIZE INT8": job.facts.quantisers,
        f"DEQUANTIZE {job.facts.dtype}": job.facts.dequantisers,
    }
    kinds = tuple({name.split()[0] for name in expected})
    actual = {name: count for name, count in layers.items() if name.startswith(kinds)}
    if actual != {name: count for name, count in expected.items() if count}:
        raise ExportError(
            f"TensorRT parsed {Path(job.onnx).name} into unexpected layers: {actual}, not {expected}; "
            "the engine would not compute in the requested precision"
        )


def _spec(tensor: rtx.ITensor) -> TensorSpec:
    sizes: Any = tensor.shape
    shape = tuple(_NAMES[axis] if size < 0 else int(size) for axis, size in enumerate(sizes))
    return TensorSpec(tensor.name, _DTYPES[tensor.dtype.name], shape)


def _monitor(trt: ModuleType) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined, misc]  # known when TensorRT is loaded
        def __init__(self) -> None:
            super().__init__()

        def phase_start(self, name: str, *_: object) -> None:
            _say("phase", name)

        def phase_finish(self, *_: object) -> None:
            pass

        def step_complete(self, *_: object) -> bool:
            return True  # anything else cancels the build

    return Monitor()


def _words(errors: Any) -> str:
    return "; ".join(dict.fromkeys(" ".join(str(error).split()) for error in errors)) or "it gives no reason"


def _say(kind: str, value: Any) -> None:
    print(json.dumps({kind: value}), flush=True)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
