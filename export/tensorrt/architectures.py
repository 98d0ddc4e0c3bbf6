"""The GPU architectures for which engines are built."""

from __future__ import annotations

import re
from types import ModuleType

from emberline.engine.errors import ConfigError
from emberline.engine.runtime.gpu import find_gpu
from emberline.engine.runtime.tensorrt.library import Library

_PATTERN = re.compile(r"sm\d{2,3}")


def known_architectures(trt: ModuleType) -> tuple[str, ...]:
    """The architectures for which TensorRT for RTX builds without a GPU, in ascending order.

    Args:
        trt: the module `tensorrt_rtx`.
    """
    names = (name.lower() for name in trt.ComputeCapability.__members__)
    return tuple(sorted((name for name in names if _PATTERN.fullmatch(name)), key=lambda name: int(name[2:])))


def check_architecture(architecture: str, library: Library, trt: ModuleType) -> None:
    """Check that a library can build for an architecture on this machine.

    Args:
        architecture: the architecture, e.g. ``sm86``.
        library: the name of the library.
        trt: the library.

    Raises:
        ConfigError: the library cannot build for the architecture.
        DeviceUnavailable: the library builds only for this machine's GPU, and there is none.
    """
    if library == "tensorrt_rtx":
        known = known_architectures(trt)
        if architecture not in known:
            raise ConfigError(
                f"GPU architecture {architecture!r}: TensorRT for RTX {trt.__version__} builds for {', '.join(known)}"
            )
        return
    gpu = find_gpu()
    if architecture != gpu.architecture:
        raise ConfigError(
            f"GPU architecture {architecture!r}: TensorRT builds for this machine's GPU, which is {gpu.architecture} "
            f"({gpu.name}); build there, or use TensorRT for RTX, which needs no GPU"
        )
