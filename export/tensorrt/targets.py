"""Targets: the kinds of GPU that an engine is built for."""

from __future__ import annotations

import re
from types import ModuleType

from emberline.engine.errors import ConfigError
from emberline.engine.runtime.gpu import find_gpu
from emberline.engine.runtime.tensorrt.library import Library

_TARGET = re.compile(r"sm\d{2,3}")


def known_targets(trt: ModuleType) -> tuple[str, ...]:
    """What TensorRT for RTX builds for without a GPU, in the order of its own list.

    Args:
        trt: the module `tensorrt_rtx`.
    """
    names = (name.lower() for name in trt.ComputeCapability.__members__)
    return tuple(sorted((name for name in names if _TARGET.fullmatch(name)), key=lambda name: int(name[2:])))


def check_target(target: str, library: Library, trt: ModuleType) -> None:
    """Check that a library can build for a target here.

    Args:
        target: e.g. ``sm86``.
        library: the name of the library.
        trt: the library.

    Raises:
        ConfigError: it cannot.
        DeviceUnavailable: it builds for the GPU at hand only, and there is none.
    """
    if library == "tensorrt_rtx":
        known = known_targets(trt)
        if target not in known:
            raise ConfigError(
                f"target {target!r} is not one of TensorRT for RTX {trt.__version__}; it builds for {', '.join(known)}"
            )
        return
    gpu = find_gpu()
    if target != gpu.target:
        raise ConfigError(
            f"target {target!r}: TensorRT builds for the GPU at hand, which is {gpu.target} ({gpu.name}); "
            "build there, or use TensorRT for RTX, which needs no GPU"
        )
