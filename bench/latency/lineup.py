"""Who takes part in `bench latency` and `bench recall`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from emberline.bench.harness.variants import (
    CONTRACTS,
    PYTORCH,
    LeftOut,
    Variant,
    adapted,
    own,
    pytorch,
    through_contract,
)
from emberline.engine.bundle import Bundle, Precision
from emberline.engine.devices import GPU_DEVICES
from emberline.engine.errors import ConfigError

#: Precisions that a device runs well, dearest first.
PRECISIONS: Final[Mapping[str, tuple[Precision, ...]]] = {
    "cpu": ("fp32", "fp16", "int8"),
    "openvino": ("fp32", "int8-trt"),
    "openvino:GPU": ("fp32", "fp16", "int8-trt"),
    "openvino:NPU": ("fp16", "int8-trt"),
    "cuda": ("fp32", "fp16"),
    "tensorrt": ("fp32", "fp16", "int8-trt"),
    "tensorrt-engine": ("fp32", "fp16", "int8-trt"),
}


def choose(bundle: Bundle, precisions: Sequence[str], device: str) -> tuple[Precision, ...]:
    """The precisions to measure.

    Args:
        bundle: whose encoders.
        precisions: that were asked for; ``int8`` is ``int8-trt`` on TensorRT and OpenVINO. Empty: all.
        device: that runs them.

    Raises:
        ConfigError: the device does not run one that was asked for.
    """
    runs = PRECISIONS[device]
    if not precisions:
        return tuple(name for name in runs if name in bundle.manifest.encoders)
    wanted = ["int8-trt" if name == "int8" and "int8-trt" in runs else name for name in precisions]
    if unknown := [name for name in wanted if name not in runs]:
        raise ConfigError(f"{device} does not run {', '.join(unknown)}; choose from {', '.join(runs)}")
    return tuple(name for name in runs if name in wanted)


def lineup(
    bundle: Bundle,
    run: Path | None,
    precisions: Sequence[Precision],
    threads: int,
    *,
    complete: bool,
    contracts: bool = False,
    device: str = "cpu",
) -> tuple[list[Variant], list[LeftOut]]:
    """The variants to compare, the reference first, and those that have to be left out.

    Args:
        bundle: what Emberline serves.
        run: the run that it was exported from; None: there is no reference.
        precisions: of Emberline's encoders, dearest first.
        threads: that each variant computes with.
        complete: whether each precision also goes through gRPC, or only the last one.
        contracts: whether the last precision is asked by the contracts of other servers as well.
        device: that Emberline runs on; on an NVIDIA GPU, PyTorch runs on CUDA.
    """
    variants, left_out = [], []
    missing = next((name for name in ("torch", "transformers") if find_spec(name) is None), None)
    if run is None:
        left_out.append(LeftOut(PYTORCH, "no --run DIR names the training run whose model is the reference"))
    elif missing is not None:
        left_out.append(LeftOut(PYTORCH, f"{missing} is not installed: pip install 'emberline[export]'"))
    else:
        variants.append(pytorch(run, threads, "cuda" if device in GPU_DEVICES else "cpu"))
    served = precisions if complete else precisions[-1:]
    variants += [own(bundle, precision, "process", threads, device=device) for precision in precisions]
    variants += [own(bundle, precision, "grpc", threads, device=device) for precision in served]
    missing = next((name for name in ("httptools", "starlette", "uvicorn") if find_spec(name) is None), None)
    for contract in CONTRACTS if contracts else ():
        if missing is None:
            variants.append(adapted(bundle, precisions[-1], contract, threads, device))
        else:
            reason = f"{missing} is not installed: pip install 'emberline[http]'"
            left_out.append(LeftOut(through_contract(precisions[-1], contract), reason))
    return variants, left_out
