from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from emberline.engine.errors import BundleCorrupt, DeviceUnavailable, InferenceFailed
from emberline.engine.runtime.tensorrt.session import LANES, TensorRTSession


def batch(rows: int, tokens: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random token ids and a mask with padding of any length on the right."""
    random = np.random.default_rng(seed)
    ids = random.integers(1, 1000, (rows, tokens))
    lengths = random.integers(1, tokens + 1, (rows, 1))
    return ids, (np.arange(tokens) < lengths).astype(np.int64)


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 5, 23])
@pytest.mark.parametrize("tokens", [1, 8, 9, 16])
def test_every_row_gets_its_vector(machine: Any, rows: int, tokens: int) -> None:
    """A batch of any size and length comes back row by row, whatever buckets it was cut into."""
    session = TensorRTSession(machine.file)
    for seed in range(3):
        ids, mask = batch(rows, tokens, seed)
        assert np.array_equal(session.run(ids, mask), machine.expected(ids, mask))


def test_callers_do_not_disturb_each_other(machine: Any) -> None:
    """Several threads at once, more than there are lanes, each get their own vectors, and none waits forever."""
    session = TensorRTSession(machine.file)
    wrong: list[int] = []

    def call(seed: int) -> None:
        for turn in range(20):
            ids, mask = batch(11, 8, seed * 100 + turn)
            if not np.array_equal(session.run(ids, mask), machine.expected(ids, mask)):
                wrong.append(seed)

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert not wrong


def test_two_pieces_are_under_way_at_once(machine: Any) -> None:
    """The second piece of a batch is on its stream before the first is waited for: one copies, the other computes."""
    session = TensorRTSession(machine.file)
    machine.cuda.calls.clear()
    session.run(*batch(8, 8))
    before_waiting = machine.cuda.calls[: machine.cuda.calls.index("cudaStreamSynchronize")]
    if machine.manifest.library == "tensorrt":
        assert before_waiting == ["cudaGraphLaunch"] * 2
    else:
        assert before_waiting == ["cudaMemcpyAsync"] * 2 * 3


def test_each_bucket_has_one_graph_a_lane(machine: Any) -> None:
    """TensorRT's graphs are recorded at the start, one a bucket and lane; TensorRT for RTX records its own."""
    TensorRTSession(machine.file)
    buckets = 3 + 2  # 1, 2, 4 texts of 8 tokens; 1, 2 of 16
    recorded = buckets * LANES if machine.manifest.library == "tensorrt" else 0
    assert len(machine.cuda.graphs) == recorded
    assert len(machine.trt.contexts) == buckets * LANES


def test_failed_batch_fails_alone(machine: Any) -> None:
    """A batch that the GPU fails raises, and the next one is served: no lane is lost with it."""
    session = TensorRTSession(machine.file)
    for _ in range(2 * LANES):
        machine.cuda.fails["cudaStreamSynchronize"] = machine.cuda.real.cudaError_t.cudaErrorLaunchFailure
        with pytest.raises(InferenceFailed, match=r"encoding a batch on the GPU: .*cudaErrorLaunchFailure"):
            session.run(*batch(9, 8))
        machine.cuda.fails.clear()
    ids, mask = batch(9, 8)
    assert np.array_equal(session.run(ids, mask), machine.expected(ids, mask))


def test_engine_that_will_not_run_is_an_error(machine: Any) -> None:
    """An engine that TensorRT does not enqueue is an error, not a batch of old vectors."""
    machine.trt.broken = True
    with pytest.raises(InferenceFailed, match="failed to run a batch of 1x8"):
        TensorRTSession(machine.file)
    assert not machine.cuda.memory


def test_full_memory_fails_the_start_and_is_given_back(machine: Any) -> None:
    """A GPU without room fails the start with what to do, and what had been taken is given back."""
    machine.cuda.fails["cudaMalloc"] = machine.cuda.real.cudaError_t.cudaErrorMemoryAllocation
    with pytest.raises(InferenceFailed, match="memory is full"):
        TensorRTSession(machine.file)
    pinned = machine.cuda.calls.count("cudaHostAlloc")
    assert machine.cuda.calls.count("cudaFreeHost") == pinned == 3
    assert not machine.cuda.streams


def test_close_gives_everything_back(machine: Any) -> None:
    """After closing, nothing is left on the GPU or pinned."""
    TensorRTSession(machine.file).close()
    assert not machine.cuda.memory
    assert not machine.cuda.streams
    assert not machine.cuda.graphs


def test_engine_for_another_gpu_is_refused(machine: Any) -> None:
    """An engine for another GPU is refused with both architectures and how to build the right one."""
    machine.gpu = replace(machine.gpu, compute_capability=(8, 9))
    with pytest.raises(DeviceUnavailable, match=r"built for sm86, the GPU here \(Fake GPU\) is sm89; .*--gpu sm89"):
        TensorRTSession(machine.file)


def test_engine_of_another_version_is_refused(machine: Any) -> None:
    """An engine that another version of TensorRT built is refused with both versions."""
    machine.trt.__version__ = "1.9.0"
    with pytest.raises(DeviceUnavailable, match=r"built with tensorrt\w* 1\.2\.3, installed is 1\.9\.0"):
        TensorRTSession(machine.file)


def test_engine_that_tensorrt_refuses_is_corrupt(machine: Any) -> None:
    """An engine that TensorRT cannot read is corrupt; the error carries TensorRT's own words."""
    machine.trt.rejects = True
    with pytest.raises(BundleCorrupt, match="bad magic number"):
        TensorRTSession(machine.file)


def test_device_names_library_and_gpu(machine: Any) -> None:
    """What runs is named with its version and the GPU."""
    assert TensorRTSession(machine.file).device == f"{machine.manifest.library} 1.2.3 on Fake GPU"
