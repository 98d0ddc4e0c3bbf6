"""Who takes part in `bench latency`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from emberline.engine.bundle import Bundle, Precision
from emberline.engine.errors import ConfigError

from .variants import Variant

#: The reference's name: PyTorch eager, fp32.
PYTORCH: Final = "PyTorch fp32"
#: Below this mean cosine to PyTorch's vectors the fp32 graph cannot have come from that run.
SAME_MODEL: Final = 0.999
#: Precisions that a device runs well, dearest first.
PRECISIONS: Final[Mapping[str, tuple[Precision, ...]]] = {
    "cpu": ("fp32", "fp16", "int8"),
    "cuda": ("fp32", "fp16"),
    "tensorrt": ("fp32", "fp16", "int8-trt"),
    "tensorrt-engine": ("fp32", "fp16", "int8-trt"),
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A variant that is not measured, and why."""

    variant: str
    reason: str


def choose(bundle: Bundle, precisions: Sequence[str], device: str) -> tuple[Precision, ...]:
    """The precisions to measure.

    Args:
        bundle: whose encoders.
        precisions: that were asked for; ``int8`` is ``int8-trt`` on TensorRT. Empty: all.
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


def in_process(precision: str) -> str:
    """The name of the variant whose caller shares the engine's process."""
    return f"Emberline {precision}"


def through_grpc(precision: str) -> str:
    """The name of the variant that is asked over a socket."""
    return f"Emberline {precision}, gRPC"


def lineup(
    bundle: Bundle,
    run: Path | None,
    precisions: Sequence[Precision],
    threads: int,
    *,
    complete: bool,
    device: str = "cpu",
) -> tuple[list[Variant], list[LeftOut]]:
    """The variants to compare, the reference first, and those that have to be left out.

    Args:
        bundle: what Emberline serves.
        run: the run that it was exported from; None: there is no reference.
        precisions: of Emberline's encoders, dearest first.
        threads: that each variant computes with.
        complete: whether each precision also goes through gRPC, or only the last one.
        device: that Emberline runs on; unless that is the CPU, PyTorch runs on CUDA.
    """
    root = str(bundle.layout.root.absolute())
    variants = []
    left_out = []
    missing = next((name for name in ("torch", "transformers") if find_spec(name) is None), None)
    if run is None:
        left_out.append(LeftOut(PYTORCH, "no --run DIR names the training run whose model is the reference"))
    elif missing is not None:
        left_out.append(LeftOut(PYTORCH, f"{missing} is not installed: pip install 'emberline[export]'"))
    else:
        variants.append(
            Variant(
                name=PYTORCH,
                target="emberline.bench.harness.backends.pytorch:open_target",
                options={
                    "run": str(run.absolute()),
                    "threads": threads,
                    "device": "cpu" if device == "cpu" else "cuda",
                },
                engine="pytorch",
                precision="fp32",
                path="process",
                threads=threads,
            )
        )
    served = precisions if complete else precisions[-1:]
    for path, names in (("process", precisions), ("grpc", served)):
        module = "inprocess" if path == "process" else "remote"
        variants += [
            Variant(
                name=in_process(precision) if path == "process" else through_grpc(precision),
                target=f"emberline.bench.harness.backends.{module}:open_target",
                options={"bundle": root, "precision": precision, "threads": threads, "device": device},
                engine="emberline",
                precision=precision,
                path=path,
                threads=threads,
            )
            for precision in names
        ]
    return variants, left_out
