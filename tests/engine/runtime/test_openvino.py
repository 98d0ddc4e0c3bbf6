"""OpenVINO runs the encoder as ONNX Runtime does, in the precision that was asked for, or says why it cannot."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emberline.engine.bundle import Bundle
from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.errors import BundleCorrupt, BundleError, DeviceUnavailable, GateRefused, MissingExtra
from emberline.engine.machine import processor
from emberline.engine.prometheus import PrometheusMetrics
from emberline.engine.records import RequestOptions
from emberline.engine.runtime import openvino
from emberline.engine.runtime.openvino import OpenVinoSession
from emberline.engine.runtime.placement import Placement, place
from emberline.engine.runtime.session import OrtSession

IDS = np.array([[2, 10, 11, 3], [2, 12, 3, 0], [2, 3, 0, 0]])
MASK = (IDS > 0).astype(np.int64)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle, in fp32 and int8."""
    return Bundle.open(tiny_bundle)


@pytest.fixture
def installed() -> None:
    """OpenVINO, an extra."""
    pytest.importorskip("openvino", reason="needs the extra `openvino`")


def session(bundle: Bundle, device: Any = "openvino", streams: int = 1) -> OpenVinoSession:
    """The tiny bundle's encoder, in fp32."""
    file, graph = bundle.file(bundle.layout.encoder("fp32")), bundle.manifest.encoders["fp32"]
    return OpenVinoSession(file, graph, "fp32", device, streams=streams, cores=streams)


def placed(bundle: Bundle, **settings: Any) -> Placement:
    """The tiny bundle on device `openvino`."""
    config = EngineConfig(bundle=bundle.layout.root, device="openvino", **settings)
    return place(bundle, config, lambda: np.zeros(0, np.int64))


def test_without_it_the_extra_is_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"device 'openvino' needs the package 'openvino'.*emberline\[openvino\]"):
        session(bundle)


@pytest.mark.usefixtures("installed")
def test_vectors_are_those_of_onnx_runtime(bundle: Bundle) -> None:
    """Of every length, from several threads at a time, and each caller keeps its own."""
    ours = session(bundle, streams=2)
    assert ours.device.startswith("OpenVINO 20")
    assert ours.device.endswith(" on CPU")
    file, graph = bundle.file(bundle.layout.encoder("fp32")), bundle.manifest.encoders["fp32"]
    theirs = OrtSession(file, graph, "cpu")
    rng = np.random.default_rng(0)
    batches = [rng.integers(5, 60, (rows, length)) for rows, length in rng.integers(1, 9, (40, 2))]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda ids: ours.run(ids, np.ones_like(ids)), batches))
    for ids, vectors in zip(batches, found, strict=True):
        np.testing.assert_allclose(vectors, theirs.run(ids, np.ones_like(ids)), atol=1e-5)
    np.testing.assert_allclose(ours.run(IDS, MASK), theirs.run(IDS, MASK), atol=1e-5)


@pytest.mark.usefixtures("installed")
def test_a_device_that_openvino_does_not_find_is_refused(bundle: Bundle) -> None:
    """It is never replaced by the CPU."""
    with pytest.raises(DeviceUnavailable, match="'openvino:NPU' needs a device NPU, and OpenVINO finds only CPU"):
        session(bundle, "openvino:NPU")


@pytest.mark.usefixtures("installed")
def test_products_in_another_format_are_refused(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is computed is looked at in the compiled graph."""
    monkeypatch.setitem(openvino._FORMATS, "fp32", frozenset({"bf16"}))  # type: ignore[index]
    with pytest.raises(DeviceUnavailable, match=r"fp32 was requested, but OpenVINO would compute .* in f32"):
        session(bundle)


@pytest.mark.usefixtures("installed")
def test_a_graph_that_cannot_be_read_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    """The error names the file and what to do."""
    broken = tmp_path / "encoder.fp32.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(
        BundleCorrupt,
        match=r"encoder.fp32.onnx cannot be read by OpenVINO \(.*model is correct.*export the bundle again",
    ):
        OpenVinoSession(broken, bundle.manifest.encoders["fp32"], "fp32", "openvino", streams=1, cores=1)


@pytest.mark.usefixtures("installed")
def test_int8_is_the_graph_of_tensorrt(bundle: Bundle) -> None:
    """ONNX Runtime's own int8 has operators that no other runtime knows; a bundle without the other says so."""
    with pytest.raises(BundleError, match="has no encoder in int8-trt"):
        placed(bundle, precision="int8", allow_failed_gate=True)
    with pytest.raises(DeviceUnavailable, match="int8-fp16 exists only as a TensorRT engine"):
        placed(bundle, precision="int8-fp16")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("mode", "sessions"), [("auto", 2), ("throughput", 0), ("latency", 1)])
def test_a_lone_text_may_have_all_cores(bundle: Bundle, mode: Any, sessions: int) -> None:
    """As on the CPU: in `auto` there are two candidates for it."""
    opened = placed(bundle, mode=mode, threads=2)
    assert len(opened.latency_sessions) == sessions
    assert opened.precision == "fp32"
    assert opened.gate == "passed"


@pytest.mark.usefixtures("installed")
async def test_an_engine_runs_on_it(bundle: Bundle, tmp_path: Path) -> None:
    """It says so, and ends as it should."""
    config = EngineConfig(bundle=bundle.layout.root, device="openvino", catalogue=tmp_path / "live.sqlite")
    engine = await Engine.start(config, PrometheusMetrics())
    try:
        assert engine.info().device.startswith("OpenVINO")
        await engine.delete(("alien",), RequestOptions())
    finally:
        await engine.drain()


@pytest.mark.parametrize("device", ["cpu", "tensorrt", "tensorrt-engine"])
def test_bf16_is_computed_by_openvino_alone(bundle: Bundle, device: str) -> None:
    """Elsewhere it is refused by name, never replaced."""
    config = EngineConfig(bundle=bundle.layout.root, device=device, precision="bf16")
    with pytest.raises(DeviceUnavailable, match="bf16 is computed on device 'openvino' alone"):
        place(bundle, config, lambda: np.zeros(0, np.int64))


def test_bf16_needs_a_verdict(bundle: Bundle) -> None:
    """The graph's own verdict, of fp32, says nothing of it."""
    with pytest.raises(GateRefused, match=r"bf16 did not pass the accuracy gate: report\.json has no verdict on it"):
        bundle.admit("bf16")
    assert bundle.admit("bf16", allow_failed_gate=True) == "failed"


@pytest.mark.usefixtures("installed")
def test_a_cpu_without_bfloat16_is_refused(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO would compute it all the same, slowly."""
    monkeypatch.setattr(openvino, "processor", lambda: ("A CPU", frozenset({"avx2"})))
    with pytest.raises(DeviceUnavailable, match="bf16 is not computed by this CPU"):
        placed(bundle, precision="bf16", allow_failed_gate=True)


@pytest.mark.usefixtures("installed")
def test_bf16_is_what_runs(bundle: Bundle) -> None:
    """Its vectors are those of fp32 to some thousandths, and not to a millionth."""
    if openvino._BFLOAT16.isdisjoint(processor()[1]):
        pytest.skip("this CPU does not multiply bfloat16")
    opened = placed(bundle, precision="bf16", allow_failed_gate=True)
    assert opened.precision == "bf16"
    exact, rounded = session(bundle).run(IDS, MASK), opened.session.run(IDS, MASK)
    assert 1e-5 < np.abs(exact - rounded).max() < 0.05
