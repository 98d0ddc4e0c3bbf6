"""Without a GPU, every call reaches CUDA with arguments that it takes and comes back with the driver's error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from emberline.engine.errors import DeviceUnavailable
from emberline.engine.runtime.gpu import Gpu

runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")

from emberline.engine.runtime.tensorrt import cuda  # noqa: E402  # imports cuda-bindings

BYTES = np.zeros(256, np.uint8)


@pytest.mark.parametrize(
    ("call", "action"),
    [
        (lambda: cuda.Resources().stream(), "opening a CUDA stream"),
        (lambda: cuda.Resources().memory(256), "allocating 256 bytes on the GPU"),
        (lambda: cuda.Resources().pinned(256), "pinning 256 bytes"),
        (lambda: cuda.Resources().graph(1, lambda: None), "recording a CUDA graph"),
        (lambda: cuda.wait(1), "encoding a batch on the GPU"),
        (lambda: cuda.copy_in(1, BYTES, 1), "copying token ids to the GPU"),
        (lambda: cuda.copy_out(BYTES, 1, 1), "copying vectors off the GPU"),
        (lambda: cuda.launch(1, 1), "launching a CUDA graph"),
    ],
)
def test_calls_reach_cuda(call: Callable[[], object], action: str) -> None:
    """Each call fails for want of a driver, saying what was being done, and not for wrong arguments."""
    if runtime.cudaGetDeviceCount()[0] == runtime.cudaError_t.cudaSuccess:
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceUnavailable, match=rf"^{action}: CUDA driver version is insufficient"):
        call()


def test_fake_has_only_what_cuda_has(machine: Any) -> None:
    """The stand-in for CUDA, which the session's tests run on, has no function that CUDA lacks."""
    assert [name for name in dir(machine.cuda) if name.startswith("cuda") and not hasattr(runtime, name)] == []


@pytest.mark.gpu
def test_copies_there_and_back(gpu: Gpu) -> None:
    """What is copied in comes out again, directly and through a recorded graph."""
    resources = cuda.Resources()
    try:
        stream, device = resources.stream(), resources.memory(1024)
        source, target = resources.pinned(1024), resources.pinned(1024)

        def round_trip() -> None:
            cuda.copy_in(device, source, stream)
            cuda.copy_out(target, device, stream)

        source[:] = 1
        round_trip()
        cuda.wait(stream)
        assert (target == 1).all()
        graph = resources.graph(stream, round_trip)
        source[:] = 2
        cuda.launch(graph, stream)
        cuda.wait(stream)
        assert (target == 2).all()
    finally:
        resources.release()
