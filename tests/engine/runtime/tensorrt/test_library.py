from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import Any

import pytest

from emberline.engine.errors import DeviceUnavailable, MissingExtra
from emberline.engine.runtime.tensorrt.library import load_library, make_logger


@pytest.fixture
def rtx() -> Any:
    """TensorRT for RTX as it is installed."""
    try:
        return load_library("tensorrt_rtx")
    except MissingExtra as error:
        pytest.skip(str(error))


def _install(monkeypatch: pytest.MonkeyPatch, name: str, version: str) -> None:
    module = ModuleType(name)
    module.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)


def test_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TensorRT that is not installed is asked for by the name of its extra."""
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'emberline\[tensorrt-rtx\]'"):
        load_library("tensorrt_rtx")


@pytest.mark.parametrize("version", ["8.6.1", "12.0.0", ""])
def test_unknown_version_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """A TensorRT of another version than the API was written for is refused with the versions that are supported."""
    _install(monkeypatch, "tensorrt", version)
    with pytest.raises(DeviceUnavailable, match="10 and 11 are supported"):
        load_library("tensorrt")


@pytest.mark.parametrize("version", ["10.13.3.9", "11.4.0.106"])
def test_both_versions_are_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """TensorRT 10 and 11 are both taken."""
    _install(monkeypatch, "tensorrt", version)
    assert load_library("tensorrt").__version__ == version


def test_package_without_libraries_is_told_from_a_missing_one(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that holds no shared libraries, as the public one does, is refused with where to get them."""
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: cannot open shared object file')\n")
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DeviceUnavailable, match=r"libnvinfer\.so\.10: .*NVIDIA's package index"):
        load_library("tensorrt")


def test_installed_library_has_what_a_session_uses(rtx: Any) -> None:
    """The names that the session takes from TensorRT for RTX exist in the installed one."""
    assert rtx.ExecutionContextAllocationStrategy.USER_MANAGED
    assert rtx.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    assert rtx.DynamicShapesKernelSpecializationStrategy.EAGER
    for name in (
        "create_runtime_cache",
        "cuda_graph_strategy",
        "dynamic_shapes_kernel_specialization_strategy",
        "set_execution_context_allocation_strategy",
        "set_runtime_cache",
    ):
        assert hasattr(rtx.IRuntimeConfig, name)


def test_logger_keeps_errors_and_passes_all_on(rtx: Any, caplog: pytest.LogCaptureFixture) -> None:
    """TensorRT's errors are kept for messages of ours; what it says below that only goes to the log."""
    logger = make_logger(rtx)
    with caplog.at_level(logging.DEBUG):
        logger.log(rtx.ILogger.ERROR, "bad")
        logger.log(rtx.ILogger.WARNING, "so-so")
        logger.log(rtx.ILogger.VERBOSE, "whatever")
    assert list(logger.errors) == ["bad"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "DEBUG"]
