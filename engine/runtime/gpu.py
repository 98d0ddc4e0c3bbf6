"""The GPU: whether there is one, what it is, and what CUDA's errors mean.

There is one GPU to a process, CUDA's device 0; `CUDA_VISIBLE_DEVICES` says which one that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from emberline.engine.errors import DeviceUnavailable, EmberlineError, InferenceFailed, MissingExtra

#: The machine cannot run CUDA at all.
_NO_DEVICE: Final = {
    "cudaErrorNoDevice": "no CUDA device is visible; see nvidia-smi and CUDA_VISIBLE_DEVICES",
    "cudaErrorInsufficientDriver": "no NVIDIA driver is loaded, or it is too old; install or update it",
    "cudaErrorInitializationError": "CUDA cannot start; see nvidia-smi",
    "cudaErrorSystemDriverMismatch": "the NVIDIA driver's parts do not match each other; reboot, or reinstall it",
    "cudaErrorCompatNotSupportedOnDevice": "this CUDA needs a newer NVIDIA driver on this GPU; update it",
    "cudaErrorDevicesUnavailable": "the GPU is taken by another process; free it, or choose another",
}
#: Work that fails thus may succeed later; after any other error the process's CUDA context is lost.
_PASSING: Final = {
    "cudaErrorMemoryAllocation": "the GPU's memory is full; lower max_batch or free memory on it",
    "cudaErrorInvalidValue": "CUDA refused an argument",
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU.

    Attributes:
        name: the maker's.
        compute_capability: of its architecture, e.g. (8, 6).
        memory: bytes.
    """

    name: str
    compute_capability: tuple[int, int]
    memory: int

    @property
    def target(self) -> str:
        """What an engine has to be built for to run here, e.g. ``sm86``."""
        major, minor = self.compute_capability
        return f"sm{major}{minor}"


def fault(name: str, text: str, doing: str) -> EmberlineError:
    """What an error of CUDA's means to us.

    Args:
        name: the error's, e.g. ``cudaErrorMemoryAllocation``.
        text: CUDA's own words.
        doing: what failed, e.g. ``copying the token ids``.
    """
    if name in _NO_DEVICE:
        return DeviceUnavailable(f"{doing}: {text} ({name}): {_NO_DEVICE[name]}")
    if name in _PASSING:
        return InferenceFailed(f"{doing}: {text} ({name}): {_PASSING[name]}")
    return InferenceFailed(f"{doing}: {text} ({name}): the GPU's state is lost; restart the server")


def check(result: tuple[Any, ...], doing: str) -> Any:
    """Take what a call of `cuda.bindings.runtime` returns.

    Args:
        result: the error code, and the values if there are any.
        doing: what was called for, for the error.

    Returns:
        The value, a tuple of them, or None.

    Raises:
        DeviceUnavailable: there is no GPU to work with.
        InferenceFailed: the call failed.
    """
    code, *values = result
    if code != 0:
        from cuda.bindings import runtime

        _, text = runtime.cudaGetErrorString(code)
        raise fault(code.name, text.decode(), doing)
    return values[0] if len(values) == 1 else tuple(values) or None


def find_gpu() -> Gpu:
    """The GPU of this process.

    Raises:
        MissingExtra: cuda-bindings is not installed.
        DeviceUnavailable: there is no GPU, or its driver does not work.
    """
    try:
        from cuda.bindings import runtime
    except ImportError:
        raise MissingExtra("looking for a GPU", "gpu", "cuda-bindings") from None
    doing = "looking for a GPU"
    if check(runtime.cudaGetDeviceCount(), doing) == 0:
        raise fault("cudaErrorNoDevice", "no CUDA-capable device is detected", doing)
    properties = check(runtime.cudaGetDeviceProperties(0), doing)
    return Gpu(properties.name.decode(), (properties.major, properties.minor), properties.totalGlobalMem)
