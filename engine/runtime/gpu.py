"""The GPU: how to find it, its properties, and the meaning of CUDA's errors.

A process uses one GPU, which is CUDA's device 0; `CUDA_VISIBLE_DEVICES` selects it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from emberline.engine.errors import DeviceUnavailable, EmberlineError, InferenceFailed, MissingExtra

#: Errors of a machine that cannot run CUDA at all, with the next step.
_NO_DEVICE: Final = {
    "cudaErrorNoDevice": "no CUDA device is visible; see nvidia-smi and CUDA_VISIBLE_DEVICES",
    "cudaErrorInsufficientDriver": "no NVIDIA driver is loaded, or it is too old; install or update it",
    "cudaErrorInitializationError": "CUDA cannot start; see nvidia-smi",
    "cudaErrorSystemDriverMismatch": "the NVIDIA driver's parts do not match each other; reboot, or reinstall it",
    "cudaErrorCompatNotSupportedOnDevice": "this CUDA needs a newer NVIDIA driver on this GPU; update it",
    "cudaErrorDevicesUnavailable": "another process uses the GPU exclusively; free it, or choose another",
}
#: Errors that may not occur again. After any other error the process's CUDA context is lost.
_TRANSIENT: Final = {
    "cudaErrorMemoryAllocation": "the GPU's memory is full; lower max_batch or free memory on it",
    "cudaErrorInvalidValue": "CUDA refused an argument",
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU.

    Attributes:
        name: product name.
        compute_capability: major and minor version, e.g. (8, 6).
        memory: size of its memory, in bytes.
    """

    name: str
    compute_capability: tuple[int, int]
    memory: int

    @property
    def architecture(self) -> str:
        """The architecture that an engine must be built for to run here, e.g. ``sm86``."""
        major, minor = self.compute_capability
        return f"sm{major}{minor}"


def cuda_error(name: str, text: str, action: str) -> EmberlineError:
    """Translate an error of CUDA into one of Emberline's.

    Args:
        name: name of the error, e.g. ``cudaErrorMemoryAllocation``.
        text: CUDA's description of the error.
        action: what failed, e.g. ``copying the token ids``.
    """
    if name in _NO_DEVICE:
        return DeviceUnavailable(f"{action}: {text} ({name}): {_NO_DEVICE[name]}")
    if name in _TRANSIENT:
        return InferenceFailed(f"{action}: {text} ({name}): {_TRANSIENT[name]}")
    return InferenceFailed(f"{action}: {text} ({name}): the GPU's state is lost; restart the server")


def check(result: tuple[Any, ...], action: str) -> Any:
    """Check the result of a call of `cuda.bindings.runtime`.

    Args:
        result: the error code, followed by the values, if any.
        action: what the call does, for the error.

    Returns:
        The value, a tuple of values, or None.

    Raises:
        DeviceUnavailable: no GPU is available.
        InferenceFailed: the call failed.
    """
    code, *values = result
    if code != 0:
        from cuda.bindings import runtime

        _, text = runtime.cudaGetErrorString(code)
        raise cuda_error(code.name, text.decode(), action)
    return values[0] if len(values) == 1 else tuple(values) or None


def find_gpu() -> Gpu:
    """Return the GPU of this process.

    Raises:
        MissingExtra: cuda-bindings is not installed.
        DeviceUnavailable: there is no GPU, or its driver does not work.
    """
    try:
        from cuda.bindings import runtime
    except ImportError:
        raise MissingExtra("looking for a GPU", "gpu", "cuda-bindings") from None
    action = "looking for a GPU"
    if check(runtime.cudaGetDeviceCount(), action) == 0:
        raise cuda_error("cudaErrorNoDevice", "no CUDA-capable device is detected", action)
    properties = check(runtime.cudaGetDeviceProperties(0), action)
    return Gpu(properties.name.decode(), (properties.major, properties.minor), properties.totalGlobalMem)
