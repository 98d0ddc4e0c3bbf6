"""The few things of CUDA that running an engine takes, with errors as exceptions.

All raise `DeviceUnavailable` where there is no GPU to work with and `InferenceFailed` where the call failed.
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
    """Streams, memory and graphs that are given back together."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def stream(self) -> int:
        """Open a stream that does not wait for the default one."""
        stream = int(check(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking), "opening a CUDA stream"))
        self._undo.append(partial(runtime.cudaStreamDestroy, stream))
        return stream

    def memory(self, size: int) -> int:
        """Allocate on the GPU: the address of `size` bytes."""
        address = int(check(runtime.cudaMalloc(size), f"allocating {size} bytes on the GPU"))
        self._undo.append(partial(runtime.cudaFree, address))
        return address

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Memory of the host that the GPU reads and writes by itself while the CPU works: (size,) bytes."""
        address = int(check(runtime.cudaHostAlloc(size, runtime.cudaHostAllocDefault), f"pinning {size} bytes"))
        self._undo.append(partial(runtime.cudaFreeHost, address))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def graph(self, stream: int, work: Callable[[], None]) -> Any:
        """Record what a function puts on a stream, without running it.

        Returns:
            A graph for `launch`.
        """
        doing = "recording a CUDA graph"
        # Thread-local: other threads may allocate meanwhile.
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        check(runtime.cudaStreamBeginCapture(stream, mode), doing)
        try:
            work()
        finally:
            recorded = check(runtime.cudaStreamEndCapture(stream), doing)
        graph = check(runtime.cudaGraphInstantiate(recorded, 0), doing)
        self._undo.append(partial(runtime.cudaGraphExecDestroy, graph))
        check(runtime.cudaGraphDestroy(recorded), doing)
        return graph

    def release(self) -> None:
        """Give everything back, the last first, whatever state CUDA is in: there is nothing to do about an error."""
        while self._undo:
            self._undo.pop()()


def wait(stream: int) -> None:
    """Wait until all work on a stream is done; other threads run meanwhile."""
    check(runtime.cudaStreamSynchronize(stream), "encoding a batch on the GPU")


def copy_in(device: int, host: NDArray[Any], stream: int) -> None:
    """Copy a pinned array to the GPU, in the stream's turn."""
    kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
    check(runtime.cudaMemcpyAsync(device, host.ctypes.data, host.nbytes, kind, stream), "copying token ids to the GPU")


def copy_out(host: NDArray[Any], device: int, stream: int) -> None:
    """Copy from the GPU into a pinned array, in the stream's turn."""
    kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
    check(runtime.cudaMemcpyAsync(host.ctypes.data, device, host.nbytes, kind, stream), "copying vectors off the GPU")


def launch(graph: Any, stream: int) -> None:
    """Run a recorded graph, in the stream's turn."""
    check(runtime.cudaGraphLaunch(graph, stream), "launching a CUDA graph")
