import sys

import pytest

from emberline.engine.errors import DeviceUnavailable, EmberlineError, InferenceFailed, MissingExtra
from emberline.engine.runtime.gpu import Gpu, check, cuda_error, find_gpu

runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")


@pytest.mark.parametrize(
    ("name", "kind", "advice"),
    [
        ("cudaErrorNoDevice", DeviceUnavailable, "CUDA_VISIBLE_DEVICES"),
        ("cudaErrorInsufficientDriver", DeviceUnavailable, "install or update it"),
        ("cudaErrorMemoryAllocation", InferenceFailed, "lower max_batch"),
        ("cudaErrorIllegalAddress", InferenceFailed, "restart the server"),
    ],
)
def test_errors_say_what_to_do(name: str, kind: type[EmberlineError], advice: str) -> None:
    """Each kind of CUDA error becomes an error of ours that says what failed, why, and what to do."""
    error = cuda_error(name, "in CUDA's words", "copying")
    assert type(error) is kind
    assert str(error).startswith(f"copying: in CUDA's words ({name}): ")
    assert advice in str(error)


def test_values_are_unpacked() -> None:
    """A successful call returns its value, its values or nothing."""
    success = runtime.cudaError_t.cudaSuccess
    assert check((success, 7), "") == 7
    assert check((success, 7, 8), "") == (7, 8)
    assert check((success,), "") is None


def test_failed_call_raises_with_cudas_words() -> None:
    """A call that failed raises with the text that CUDA has for its code."""
    with pytest.raises(InferenceFailed, match=r"copying: out of memory \(cudaErrorMemoryAllocation\)"):
        check((runtime.cudaError_t.cudaErrorMemoryAllocation, None), "copying")


def test_the_architecture_is_the_compute_capability() -> None:
    """The architecture is the compute capability without the dot."""
    assert Gpu("NVIDIA GeForce RTX 5090", (12, 0), 1).architecture == "sm120"


def test_machine_without_a_gpu_is_told_so() -> None:
    """Without a GPU the search for one fails with the reason that CUDA gives."""
    if runtime.cudaGetDeviceCount()[0] == runtime.cudaError_t.cudaSuccess:
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceUnavailable, match=r"looking for a GPU: .*driver"):
        find_gpu()


def test_machine_without_the_bindings_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cuda-bindings is not installed, as in an environment for CPUs, the search names it and its extra."""
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(MissingExtra, match=r"'cuda-bindings', which is not installed: pip install 'emberline\[gpu\]'"):
        find_gpu()


@pytest.mark.gpu
def test_gpu_is_found(gpu: Gpu) -> None:
    """A GPU has a name, an architecture and memory."""
    assert gpu.name
    assert gpu.compute_capability >= (7, 5)
    assert gpu.memory > 1 << 30
