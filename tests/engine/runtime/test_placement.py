from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from prometheus_client import generate_latest

from emberline.engine.bundle import Bundle, BundleFiles, BundleLayout, Manifest
from emberline.engine.config import EngineConfig
from emberline.engine.devices import Device
from emberline.engine.engine import Engine
from emberline.engine.errors import BundleError, DeviceUnavailable, GateRefused, InferenceFailed, MissingExtra
from emberline.engine.prometheus import PrometheusMetrics
from emberline.engine.records import Integers, RequestOptions
from emberline.engine.runtime import placement
from emberline.engine.runtime.gpu import Gpu
from emberline.engine.runtime.placement import Lengths, Opener, Placement, place


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle: fp32 and int8, of which int8 has failed its gate."""
    return Bundle.open(tiny_bundle)


def config_of(bundle: Bundle, device: str, **settings: Any) -> EngineConfig:
    """A configuration of the bundle."""
    return EngineConfig(bundle=bundle.layout.root, device=device, **settings)


def no_lengths() -> Integers:
    """The lengths of a catalogue without a text."""
    return np.zeros(0, np.int64)


def without_gpu() -> Gpu:
    """A machine without one."""
    raise DeviceUnavailable("looking for a GPU: no driver")


def fail(error: Exception) -> Opener:
    """A device that cannot run the encoder."""

    def refuse(bundle: Bundle, config: EngineConfig, lengths: Lengths) -> Placement:
        raise error

    return refuse


@pytest.fixture
def openers() -> Mapping[Device, Opener]:
    """Three devices that fail, each in its way, and the CPU."""
    return {
        "tensorrt-engine": fail(BundleError("no engine for this GPU")),
        "tensorrt": fail(MissingExtra("this", "gpu", "onnxruntime")),
        "cuda": fail(DeviceUnavailable("libcublas is missing")),
        "cpu": placement.OPENERS["cpu"],
    }


def test_the_first_device_that_can_runs(bundle: Bundle, openers: Mapping[Device, Opener]) -> None:
    """Devices are tried in their order, and each that fails leaves one note with its reason."""
    opened = place(bundle, config_of(bundle, "tensorrt,cuda,cpu"), no_lengths, openers)
    assert opened.session.device == "CPUExecutionProvider"
    assert opened.notes[0].startswith("tensorrt: this needs the package 'onnxruntime'")
    assert opened.notes[1] == "cuda: libcublas is missing"
    assert len(opened.notes) == 2


def test_each_failure_is_logged_once(
    bundle: Bundle, openers: Mapping[Device, Opener], caplog: pytest.LogCaptureFixture
) -> None:
    """A device that was passed over is in the log, with its reason."""
    with caplog.at_level(logging.WARNING):
        place(bundle, config_of(bundle, "cuda,cpu"), no_lengths, openers)
    assert [record.getMessage() for record in caplog.records] == [
        "device cuda cannot run the encoder: libcublas is missing"
    ]


def test_one_device_has_no_fallback(bundle: Bundle, openers: Mapping[Device, Opener]) -> None:
    """A single requested device that cannot run raises its own error."""
    with pytest.raises(MissingExtra):
        place(bundle, config_of(bundle, "tensorrt"), no_lengths, openers)


def test_a_device_outside_the_list_is_never_used(bundle: Bundle, openers: Mapping[Device, Opener]) -> None:
    """When every device of the list fails, the error has the reason of each; the CPU is not used."""
    with pytest.raises(DeviceUnavailable) as raised:
        place(bundle, config_of(bundle, "tensorrt-engine,cuda"), no_lengths, openers)
    assert str(raised.value) == (
        "none of the devices tensorrt-engine,cuda can run the encoder: tensorrt-engine: no engine for this GPU; "
        "cuda: libcublas is missing"
    )


def test_auto_without_a_gpu_says_why_it_takes_the_cpu(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a GPU `auto` goes to the CPU at once, and says what it chose and why."""
    monkeypatch.setattr(placement, "find_gpu", without_gpu)
    opened = place(bundle, config_of(bundle, "auto"), no_lengths)
    assert opened.notes == ("no GPU: looking for a GPU: no driver", "auto chose cpu")
    assert "device auto: no GPU: looking for a GPU: no driver; auto chose cpu" in caplog.text


def test_auto_with_a_gpu_tries_it(
    bundle: Bundle, openers: Mapping[Device, Opener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a GPU `auto` tries what uses it first, and keeps each reason why that did not do."""
    monkeypatch.setattr(placement, "find_gpu", lambda: Gpu("Fake GPU", (8, 6), 1))
    opened = place(bundle, config_of(bundle, "auto"), no_lengths, openers)
    assert [note.split(":")[0] for note in opened.notes] == ["tensorrt-engine", "tensorrt", "cuda", "auto chose cpu"]


def test_a_gpu_without_room_is_passed_over(bundle: Bundle, openers: Mapping[Device, Opener]) -> None:
    """A GPU that is full fails like one that is missing."""
    full = {**openers, "cuda": fail(InferenceFailed("the GPU's memory is full"))}
    assert place(bundle, config_of(bundle, "cuda,cpu"), no_lengths, full).notes == ("cuda: the GPU's memory is full",)


@pytest.mark.parametrize(
    ("device", "precision", "message"),
    [
        ("cuda", "int8", "int8 on 'cuda' is slower than fp32"),
        ("cuda", "int8-trt", "int8-trt on 'cuda' is slower than fp32"),
        ("cuda", "int8-fp16", "int8-fp16 on 'cuda' is slower than fp32"),
        ("cpu", "int8-fp16", "on 'cpu' choose int8"),
        ("tensorrt", "int8-fp16", "choose device 'tensorrt-engine'"),
    ],
)
def test_precisions_that_a_device_cannot_use_are_refused(
    bundle: Bundle, device: str, precision: Any, message: str
) -> None:
    """A precision that is slow or missing on a device is refused with an alternative."""
    with pytest.raises(DeviceUnavailable) as raised:
        place(bundle, config_of(bundle, device, precision=precision), no_lengths)
    assert message in str(raised.value)


def test_int8_on_tensorrt_is_the_bundles_int8_trt(bundle: Bundle) -> None:
    """Asked for int8, TensorRT takes the graph that was quantised for it, and that one's gate counts."""
    with pytest.raises(BundleError, match="no encoder in int8-trt"):
        place(bundle, config_of(bundle, "tensorrt", precision="int8"), no_lengths)


def test_an_engine_needs_the_gates_of_its_sources(make_tiny_bundle: Callable[[], Path]) -> None:
    """An engine of int8 with fp16 is admitted only if both int8-trt and fp16 have passed."""
    layout = BundleLayout(make_tiny_bundle())
    report = {"precisions": {"fp16": {"passed": False, "failures": ["agreement"]}, "int8-trt": {"passed": True}}}
    manifest = Manifest.read(layout.manifest)
    graph = manifest.encoders["fp32"]
    manifest = msgspec.structs.replace(manifest, encoders={"fp16": graph, "int8-trt": graph})
    opened = Bundle(BundleFiles(layout.root), manifest, report)
    with pytest.raises(GateRefused, match="fp16 did not pass the accuracy gate: agreement"):
        place(opened, config_of(opened, "tensorrt-engine", precision="int8-fp16"), no_lengths)


def test_an_engine_that_was_not_built_is_asked_for(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an engine for the GPU at hand, the error has the command that builds it."""
    monkeypatch.setattr(placement, "find_gpu", lambda: Gpu("Fake GPU", (8, 6), 1))
    with pytest.raises(BundleError, match=r"emberline export .* --tensorrt fp32 --gpu sm86"):
        place(bundle, config_of(bundle, "tensorrt-engine"), no_lengths)


async def test_notes_are_in_info_and_metrics(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Info and the metrics say why the encoder does not run on an earlier device of the list."""
    monkeypatch.setitem(placement.OPENERS, "cuda", fail(DeviceUnavailable("libcublas is missing")))  # type: ignore[arg-type]  # the mapping is a dict
    config = EngineConfig(bundle=tiny_bundle, device="cuda,cpu", catalogue=tmp_path / "live.sqlite")
    engine = await Engine.start(config, PrometheusMetrics())
    try:
        assert engine.info().device_notes == ("cuda: libcublas is missing",)
        assert (
            'emberline_device_note{note="cuda: libcublas is missing"} 1.0'
            in generate_latest(engine.metrics.registry).decode()
        )
        assert json.dumps(engine.info().device)
        await engine.delete(("alien",), RequestOptions())
    finally:
        await engine.drain()
