"""The calls of CUDA that run an engine, with errors as exceptions.

All of them raise `DeviceUnavailable` if no GPU is available and `InferenceFailed` if the call fails.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from cuda.bindings import runtime
from numpy.typing import NDArray

from emberline.engine.runtime.gpu import check


class Resources:
    """Streams, memory and graphs that are released together."""

    def __init__(self) -> None:
        self._releases: list[Callable[[], object]] = []

    def stream(self) -> int:
        """Open a stream that does not synchronise with the default one."""
        stream = int(check(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking), "opening a CUDA stream"))
        self._releases.append(partial(runtime.cudaStreamDestroy, stream))
        return stream

    def memory(self, size: int) -> int:
        """Allocate memory on the GPU; returns the address of `size` bytes."""
        address = int(check(runtime.cudaMalloc(size), f"allocating {size} bytes on the GPU"))
        self._releases.append(partial(runtime.cudaFree, address))
        return address

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Allocate pinned host memory, which the GPU reads and writes while the CPU works; returns (size,) bytes."""
        address = int(check(runtime.cudaHostAlloc(size, runtime.cudaHostAllocDefault), f"pinning {size} bytes"))
        self._releases.append(partial(runtime.cudaFreeHost, address))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def graph(self, stream: int, work: Callable[[], None]) -> Any:
        """Record the work that a function puts on a stream, without running it.

        Returns:
            A graph for `launch`.
        """
        action = "recording a CUDA graph"
        # Thread-local, because other threads may allocate meanwhile.
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        check(runtime.cudaStreamBeginCapture(stream, mode), action)
        try:
            work()
        finally:
            recorded = check(runtime.cudaStreamEndCapture(stream), action)
        graph = check(runtime.cudaGraphInstantiate(recorded, 0), action)
        self._releases.append(partial(runtime.cudaGraphExecDestroy, graph))
        check(runtime.cudaGraphDestroy(recorded), action)
        return graph

    def release(self) -> None:
        """Release everything, the last resource first. Errors are ignored, because nothing can be done about them."""
        while self._releases:
            self._releases.pop()()


def wait(stream: int) -> None:
    """Wait until all work on a stream is done. Other threads run meanwhile."""
    check(runtime.cudaStreamSynchronize(stream), "encoding a batch on the GPU")


def copy_in(device: int, host: NDArray[Any], stream: int) -> None:
    """Put a copy from a pinned array to the GPU on a stream."""
    kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
    check(runtime.cudaMemcpyAsync(device, host.ctypes.data, host.nbytes, kind, stream), "copying token ids to the GPU")


def copy_out(host: NDArray[Any], device: int, stream: int) -> None:
    """Put a copy from the GPU to a pinned array on a stream."""
    kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
    check(runtime.cudaMemcpyAsync(host.ctypes.data, device, host.nbytes, kind, stream), "copying vectors off the GPU")


def launch(graph: Any, stream: int) -> None:
    """Put a recorded graph on a stream."""
    check(runtime.cudaGraphLaunch(graph, stream), "launching a CUDA graph")
