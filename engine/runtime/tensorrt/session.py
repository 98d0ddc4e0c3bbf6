"""The session that runs a TensorRT engine.

Each lane has a stream, buffers and, for each bucket, an execution context. The contexts of a lane share its workspace,
because they run one after the other. For each bucket, one CUDA graph copies in, computes and copies out. With two
lanes, one copies while the other computes.
"""

from __future__ import annotations

import logging
import queue
from collections import deque
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.errors import BundleCorrupt, DeviceUnavailable, EmberlineError, InferenceFailed
from emberline.engine.records import Floats, Integers
from emberline.engine.runtime.gpu import find_gpu

from . import cuda
from .buckets import Bucket, Piece, Sizes, cut, fill, make_buckets
from .library import load_library, make_logger
from .manifest import EngineFile

if TYPE_CHECKING:
    import tensorrt_rtx as rtx

#: One lane computes while the other copies; a third would only wait.
LANES: Final = 2
_INPUTS: Final = ("input_ids", "attention_mask")
_OUTPUT: Final = "sentence_embedding"

_log = logging.getLogger(__name__)


class TensorRTSession:
    """Runs an engine on the GPU. May be called from several threads at a time."""

    def __init__(self, file: EngineFile) -> None:
        """Load an engine and record its CUDA graphs, which takes a few seconds.

        Raises:
            MissingExtra: the TensorRT library that the engine was built with is not installed.
            DeviceUnavailable: there is no GPU, or the engine was built for another GPU or version of TensorRT.
            BundleCorrupt: TensorRT rejects the engine.
            InferenceFailed: the GPU cannot load the engine, for instance for lack of memory.
        """
        manifest = file.manifest
        trt = load_library(manifest.library)
        if trt.__version__ != manifest.version:
            raise DeviceUnavailable(
                f"{file.path} was built with {manifest.library} {manifest.version}, installed is {trt.__version__}; "
                "install that version, or build the engine again"
            )
        gpu = find_gpu()
        if gpu.architecture != manifest.architecture:
            raise DeviceUnavailable(
                f"{file.path} was built for {manifest.architecture}, the GPU here ({gpu.name}) is {gpu.architecture}; "
                f"build one with --gpu {gpu.architecture}"
            )
        logger = make_logger(trt)
        self._runtime: rtx.Runtime = trt.Runtime(logger)
        engine: rtx.ICudaEngine | None = self._runtime.deserialize_cuda_engine(file.path.read_bytes())
        if engine is None:
            raise BundleCorrupt(f"TensorRT rejects {file.path}: {'; '.join(logger.errors)}; build it again")
        self._hidden = int(manifest.outputs[0].shape[1])
        self._buckets = make_buckets(manifest.profiles)
        self._device = f"{manifest.library} {manifest.version} on {gpu.name}"
        self._resources = cuda.Resources()
        self._lanes: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
        try:
            # Referenced here, because an execution context is not documented to keep its settings alive.
            self._contexts = _Contexts(trt, engine, len(manifest.profiles))
            for _ in range(LANES):
                self._lanes.put(_Lane(self._resources, self._contexts, self._buckets, self._hidden))
        except EmberlineError:
            self.close()
            raise
        _log.info("%d buckets in each of %d lanes on %s", len(self._buckets), LANES, self._device)

    @property
    def device(self) -> str:
        """The library and the GPU."""
        return self._device

    def close(self) -> None:
        """Release the GPU's memory. No call may be in progress, and none may follow."""
        self._lanes = queue.SimpleQueue()
        self._resources.release()

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch; see `Session.run`.

        Raises:
            InferenceFailed: the GPU failed on it.
        """
        vectors = np.empty((len(ids), self._hidden), np.float32)
        running: deque[tuple[Piece, _Lane]] = deque()
        try:
            for piece in cut(ids.shape[0], ids.shape[1], self._buckets):
                lane = self._take(running, vectors)
                running.append((piece, lane))
                lane.start(piece, ids, mask)
            while running:
                self._finish(running, vectors)
        finally:
            for _, lane in running:
                lane.settle()
                self._lanes.put(lane)
        return vectors

    def _take(self, running: deque[tuple[Piece, _Lane]], vectors: Floats) -> _Lane:
        # A caller waits for a lane only while it holds none, so that two callers cannot wait for each other.
        while True:
            try:
                return self._lanes.get(block=not running)
            except queue.Empty:
                self._finish(running, vectors)

    def _finish(self, running: deque[tuple[Piece, _Lane]], vectors: Floats) -> None:
        piece, lane = running[0]
        vectors[piece.start : piece.stop] = lane.result(len(piece))
        running.popleft()
        self._lanes.put(lane)


class _Contexts:
    """Creates execution contexts of an engine, with either library."""

    def __init__(self, trt: ModuleType, engine: rtx.ICudaEngine, profiles: int) -> None:
        self._engine = engine
        self.workspace = max(engine.get_device_memory_size_for_profile_v2(index) for index in range(profiles))
        self._strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        self._settings: Any = None
        #: TensorRT for RTX compiles kernels while it runs, and records its graphs itself once they are ready.
        self.record_graphs = hasattr(trt, "CudaGraphStrategy")
        if self.record_graphs:
            self._settings = engine.create_runtime_config()
            self._settings.set_execution_context_allocation_strategy(self._strategy)
            self._settings.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            # The shapes are few and known, so the kernels of each are compiled at the start.
            eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
            self._settings.dynamic_shapes_kernel_specialization_strategy = eager
            # Shared by all contexts, so that each kernel is compiled once.
            self._settings.set_runtime_cache(self._settings.create_runtime_cache())

    def make(self) -> rtx.IExecutionContext:
        if self._settings is None:
            return self._engine.create_execution_context(self._strategy)
        return self._engine.create_execution_context(self._settings)


class _Lane:
    """A stream, its buffers on host and GPU, and the contexts and graphs of the buckets. For one caller at a time."""

    def __init__(
        self, resources: cuda.Resources, contexts: _Contexts, buckets: tuple[Bucket, ...], hidden: int
    ) -> None:
        sizes = Sizes.of(buckets, hidden)
        self._hidden = hidden
        self._stream = resources.stream()
        self._host = {name: resources.pinned(sizes.ids) for name in _INPUTS}
        self._host[_OUTPUT] = resources.pinned(sizes.vectors)
        self._device = {name: resources.memory(len(buffer)) for name, buffer in self._host.items()}
        self._workspace = resources.memory(max(contexts.workspace, 1))
        self._contexts: dict[Bucket, rtx.IExecutionContext] = {}
        self._graphs: dict[Bucket, Any] = {}
        nothing = np.zeros((0, 1), np.int64)
        for bucket in buckets:
            self._contexts[bucket] = self._prepare(contexts, bucket)
            # The first run also does TensorRT's deferred initialisation, which must not end up in the graph.
            fill(Piece(0, 0, bucket), nothing, nothing, *self._tokens(bucket))
            self._enqueue(bucket)
            cuda.wait(self._stream)
            if not contexts.record_graphs:
                self._graphs[bucket] = resources.graph(self._stream, partial(self._enqueue, bucket))

    def start(self, piece: Piece, ids: Integers, mask: Integers) -> None:
        """Put a piece of a batch on the stream, without waiting."""
        fill(piece, ids, mask, *self._tokens(piece.bucket))
        graph = self._graphs.get(piece.bucket)
        if graph is None:
            self._enqueue(piece.bucket)
        else:
            cuda.launch(graph, self._stream)

    def result(self, rows: int) -> Floats:
        """Wait for the started piece; returns its vectors (rows, H), which are valid until the next start."""
        cuda.wait(self._stream)
        return self._vectors(rows)

    def settle(self) -> None:
        """Wait for the started piece and discard it. Its error is ignored, because the batch has failed already."""
        try:
            cuda.wait(self._stream)
        except EmberlineError as error:
            _log.debug("an abandoned batch failed as well: %s", error)

    def _prepare(self, contexts: _Contexts, bucket: Bucket) -> rtx.IExecutionContext:
        context = contexts.make()
        context.set_device_memory(self._workspace, contexts.workspace)
        succeeded = [context.set_optimization_profile_async(bucket.profile, self._stream)]
        cuda.wait(self._stream)
        shape = (bucket.shape.batch, bucket.shape.tokens)
        succeeded += [context.set_input_shape(name, shape) for name in _INPUTS]
        succeeded += [context.set_tensor_address(name, address) for name, address in self._device.items()]
        if not all(succeeded):
            raise InferenceFailed(f"TensorRT rejects the shape {bucket.shape} in profile {bucket.profile}")
        return context

    def _enqueue(self, bucket: Bucket) -> None:
        for name, tokens in zip(_INPUTS, self._tokens(bucket), strict=True):
            cuda.copy_in(self._device[name], tokens, self._stream)
        if not self._contexts[bucket].execute_async_v3(self._stream):
            raise InferenceFailed(f"TensorRT failed to run a batch of {bucket.shape}")
        cuda.copy_out(self._vectors(bucket.shape.batch), self._device[_OUTPUT], self._stream)

    def _tokens(self, bucket: Bucket) -> tuple[Integers, Integers]:
        batch, tokens = bucket.shape.batch, bucket.shape.tokens
        ids, mask = (_view(self._host[name], np.int64, batch * tokens).reshape(batch, tokens) for name in _INPUTS)
        return ids, mask

    def _vectors(self, rows: int) -> Floats:
        return _view(self._host[_OUTPUT], np.float32, rows * self._hidden).reshape(rows, self._hidden)


def _view(buffer: NDArray[np.uint8], dtype: type[Any], count: int) -> NDArray[Any]:
    return buffer[: count * np.dtype(dtype).itemsize].view(dtype)
