"""A CUDA and a TensorRT without a GPU: as on a real one, work waits until somebody waits for its stream."""

# The fakes answer to CUDA's and TensorRT's names and arguments.
# ruff: noqa: N802, D102, D106, ARG002, ARG005

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from emberline.engine.bundle import TensorSpec
from emberline.engine.runtime.gpu import Gpu
from emberline.engine.runtime.tensorrt.manifest import SCHEMA, EngineFile, EngineManifest
from emberline.engine.runtime.tensorrt.profiles import Profile, parse_profiles

HIDDEN = 6
Work = Callable[[], None]


class FakeRuntime:
    """`cuda.bindings.runtime`, in the host's memory."""

    def __init__(self) -> None:
        self.real = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
        self.cudaStreamNonBlocking = self.cudaHostAllocDefault = 0
        self.cudaStreamCaptureMode = self.real.cudaStreamCaptureMode
        self.cudaMemcpyKind = self.real.cudaMemcpyKind
        self.ok = self.real.cudaError_t.cudaSuccess
        self.fails: dict[str, Any] = {}  # the error that a function shall return, by the function's name
        self.calls: list[str] = []
        self.streams: dict[int, list[Work]] = {}
        self.memory: dict[int, np.ndarray] = {}
        self.recording: dict[int, list[Work]] = {}
        self.graphs: set[int] = set()

    def _answer(self, name: str, *values: Any) -> tuple[Any, ...]:
        self.calls.append(name)
        return (self.fails.get(name, self.ok), *values)

    def put(self, stream: int, work: Work) -> None:
        """Put work on a stream, or into the graph that is being recorded from it."""
        self.recording.get(stream, self.streams[stream]).append(work)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        stream = 1000 + len(self.streams)
        self.streams[stream] = []
        return self._answer("cudaStreamCreateWithFlags", stream)

    def cudaStreamDestroy(self, stream: int) -> tuple[Any, ...]:
        del self.streams[stream]
        return self._answer("cudaStreamDestroy")

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any, ...]:
        assert stream not in self.recording, "CUDA forbids waiting for a stream that is being recorded"
        waiting, self.streams[stream] = self.streams[stream], []
        for operation in waiting:
            operation()
        return self._answer("cudaStreamSynchronize")

    def _allocate(self, name: str, size: int) -> tuple[Any, ...]:
        block = np.full(size, 0xA5, np.uint8)  # as CUDA leaves it: not zeroed
        self.memory[block.ctypes.data] = block
        return self._answer(name, block.ctypes.data)

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        return self._allocate("cudaMalloc", size)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Any, ...]:
        return self._allocate("cudaHostAlloc", size)

    def cudaFree(self, address: int) -> tuple[Any, ...]:
        del self.memory[address]
        return self._answer("cudaFree")

    def cudaFreeHost(self, address: int) -> tuple[Any, ...]:
        del self.memory[address]
        return self._answer("cudaFreeHost")

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: Any, stream: int) -> tuple[Any, ...]:
        self.put(stream, lambda: ctypes.memmove(to, source, size) and None)
        return self._answer("cudaMemcpyAsync")

    def cudaStreamBeginCapture(self, stream: int, mode: Any) -> tuple[Any, ...]:
        assert not self.streams[stream], "work that waits would not be in the graph"
        self.recording[stream] = []
        return self._answer("cudaStreamBeginCapture")

    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, ...]:
        return self._answer("cudaStreamEndCapture", self.recording.pop(stream))

    def cudaGraphInstantiate(self, graph: list[Work], flags: int) -> tuple[Any, ...]:
        self.graphs.add(id(graph))
        return self._answer("cudaGraphInstantiate", graph)

    def cudaGraphDestroy(self, graph: list[Work]) -> tuple[Any, ...]:
        return self._answer("cudaGraphDestroy")

    def cudaGraphExecDestroy(self, graph: list[Work]) -> tuple[Any, ...]:
        self.graphs.remove(id(graph))
        return self._answer("cudaGraphExecDestroy")

    def cudaGraphLaunch(self, graph: list[Work], stream: int) -> tuple[Any, ...]:
        self.streams[stream] += graph
        return self._answer("cudaGraphLaunch")


class FakeContext:
    """An execution context that checks what TensorRT checks and encodes as `expected` does."""

    def __init__(self, cuda: FakeRuntime, profiles: tuple[Profile, ...], *, broken: bool) -> None:
        self.cuda, self.profiles, self.broken = cuda, profiles, broken
        self.profile: Profile | None = None
        self.shapes: dict[str, tuple[int, int]] = {}
        self.addresses: dict[str, int] = {}

    def set_device_memory(self, memory: int, size: int) -> None:
        assert self.cuda.memory[memory].size >= size

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self.profile = self.profiles[index]
        return True

    def set_input_shape(self, name: str, shape: tuple[int, int]) -> bool:
        assert self.profile is not None, "a shape belongs to a profile"
        self.shapes[name] = shape
        low, high = self.profile.smallest, self.profile.largest
        return low.batch <= shape[0] <= high.batch and low.tokens <= shape[1] <= high.tokens

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        if not self.broken:
            self.cuda.put(stream, self._run)
        return not self.broken

    def _run(self) -> None:
        ids, mask = (self._tensor(name, np.int64, *self.shapes[name]) for name in ("input_ids", "attention_mask"))
        assert (ids < 1 << 20).all(), "ids that nobody wrote reached the encoder"
        self._tensor("sentence_embedding", np.float32, len(ids), HIDDEN)[:] = expected(ids, mask)

    def _tensor(self, name: str, dtype: Any, *shape: int) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.cuda.memory[self.addresses[name]][:size].view(dtype).reshape(shape)


def expected(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What the fake engine makes of a batch: (B, L) to (B, H); padding changes nothing."""
    total = (ids * mask).sum(axis=1, keepdims=True)
    return (total * np.arange(1, HIDDEN + 1)).astype(np.float32)


class FakeTensorRT:
    """The part of TensorRT's module that running an engine takes."""

    __version__ = "1.2.3"

    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="user-managed")

    def __init__(self, cuda: FakeRuntime, profiles: tuple[Profile, ...], *, rtx: bool) -> None:
        self.contexts: list[FakeContext] = []
        self.rejects = self.broken = False

        def create(settings: Any) -> FakeContext:
            strategy = settings.strategy if rtx else settings
            assert strategy == "user-managed"
            self.contexts.append(FakeContext(cuda, profiles, broken=self.broken))
            return self.contexts[-1]

        def create_settings() -> Any:
            settings = SimpleNamespace(create_runtime_cache=object, set_runtime_cache=lambda cache: True)
            settings.set_execution_context_allocation_strategy = lambda strategy: setattr(
                settings, "strategy", strategy
            )
            return settings

        engine = SimpleNamespace(
            get_device_memory_size_for_profile_v2=lambda index: 4096 * (index + 1),
            create_execution_context=create,
            create_runtime_config=create_settings,
        )
        self.Runtime = lambda logger: SimpleNamespace(
            deserialize_cuda_engine=lambda blob: (
                logger.log(self.ILogger.ERROR, "bad magic number") if self.rejects else engine
            )
        )
        if rtx:
            self.CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE=1)
            self.DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER=1)


class Machine:
    """A machine with a fake GPU and an engine file for it."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, rtx: bool) -> None:
        from emberline.engine.runtime.tensorrt import cuda, session

        self.expected = expected
        self.profiles = parse_profiles("1x1:2x8:4x8,1x1:2x16:2x16")
        self.cuda = FakeRuntime()
        self.trt = FakeTensorRT(self.cuda, self.profiles, rtx=rtx)
        self.gpu = Gpu("Fake GPU", (8, 6), 1 << 34)
        monkeypatch.setattr(cuda, "runtime", self.cuda)
        monkeypatch.setattr(session, "find_gpu", lambda: self.gpu)
        monkeypatch.setattr(session, "load_library", lambda name: self.trt)
        path = tmp_path / "encoder.fp16.sm86.engine"
        path.write_bytes(b"an engine")
        tokens = ("batch", "tokens")
        self.manifest = EngineManifest(
            schema=SCHEMA,
            model_id="tiny",
            precision="fp16",
            architecture="sm86",
            library="tensorrt_rtx" if rtx else "tensorrt",
            version=self.trt.__version__,
            source="encoder.fp16.onnx",
            source_sha256="0" * 64,
            key="0" * 64,
            sha256="0" * 64,
            bytes=9,
            inputs=(TensorSpec("input_ids", "int64", tokens), TensorSpec("attention_mask", "int64", tokens)),
            outputs=(TensorSpec("sentence_embedding", "float32", ("batch", HIDDEN)),),
            profiles=self.profiles,
            layers={},
            created="2026-01-01T00:00:00+00:00",
            seconds=1.0,
        )
        self.file = EngineFile(path, self.manifest)


@pytest.fixture(params=[False, True], ids=["tensorrt", "tensorrt-rtx"])
def machine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with a fake GPU, with either library."""
    return Machine(tmp_path, monkeypatch, rtx=request.param)
