from __future__ import annotations

import contextlib
import math
from dataclasses import replace

import numpy as np
import pytest

from emberline.bench.harness.driver import Worker
from emberline.bench.harness.measurements import Measurements
from emberline.bench.harness.scenarios import multi_stream, offline, single_stream
from emberline.bench.harness.texts import TextSet
from emberline.bench.harness.variants import PYTORCH, in_process, through_grpc
from emberline.bench.latency.latency import _compare, bench_latency, section
from emberline.bench.latency.lineup import PRECISIONS, choose, lineup
from emberline.bench.latency.settings import SCENARIOS, LatencySettings
from emberline.bench.report.views.latency import view
from emberline.engine.bundle import Bundle
from emberline.engine.devices import DEVICES
from emberline.engine.errors import BenchError, BundleError, ConfigError, DeviceUnavailable, MissingExtra
from emberline.engine.runtime.gpu import find_gpu

SETTINGS = replace(
    LatencySettings.quick(),
    count=6,
    repetitions=2,
    single=4,
    multi=2,
    callers=3,
    saturation_seconds=0.05,
    load_seconds=0.05,
    probes=2,
    probe_seconds=0.05,
)


@pytest.fixture(scope="module")
def result(tiny_bundle):
    """What the bench measures on the tiny bundle, without a reference."""
    return bench_latency(tiny_bundle, None, SETTINGS, threads=1)


def test_every_variant_is_measured_in_every_scenario(result):
    """Both precisions in process, the cheapest through gRPC; load for the latter alone, as the settings say."""
    closed = {in_process("fp32"), in_process("int8"), through_grpc("int8")}
    measured = {(one["section"], one["variant"]) for one in result["measurements"]}
    scenarios = [section(scenario, "mixed") for scenario in ("SingleStream", "MultiStream", "Offline")]
    assert measured == {
        *((scenario, name) for scenario in scenarios for name in closed),
        *((section("Server", "mixed", share), through_grpc("int8")) for share in (None, 0.5, 0.7, 0.9)),
    }


def test_every_measurement_is_positive_and_repeated(result):
    """Latencies and throughputs are positive, once for every repetition; a bench without a reference has no ratios."""
    measured = Measurements.of(result)
    for row in measured.rows:
        assert len(row.values) == 2
        assert min(row.values) >= 0
        assert measured.ratio(row.section, row.variant, row.metric, result["reference"]) is None
        if row.metric not in ("rate", "unanswered"):
            assert measured.median(row.section, row.variant, row.metric) > 0
    for share in (0.5, 0.7, 0.9):
        p50, p99, unanswered = (
            measured.summary(section("Server", "mixed", share), through_grpc("int8"), metric)
            for metric in ("p50", "p99", "unanswered")
        )
        assert p99.median >= p50.median > 0
        assert unanswered.maximum == 0


def test_the_reference_is_left_out_with_a_reason(result):
    """Without a run there is nothing to compare with, and the result says so."""
    assert result["reference"] is None
    assert [one["variant"] for one in result["left_out"]] == [PYTORCH]
    assert "--run" in result["left_out"][0]["reason"]


def test_what_took_part_is_described(result, tiny_bundle):
    """Size, memory and the gate's verdict: a precision that failed its gate is measured and marked."""
    found = {one["name"]: one for one in result["variants"]}
    assert found[in_process("fp32")]["gate"] == "passed"
    assert found[through_grpc("int8")]["gate"] == "failed"
    assert all(one["memory_mb"] > 10 for one in found.values())
    assert all(one["threads"] == 1 for one in found.values())
    assert result["bundle"]["model_id"] == Bundle.open(tiny_bundle).manifest.model_id


def test_measuring_leaves_the_bundle_as_it_was(result, tiny_bundle):
    """No live catalogue appears beside the bundle, and none of its files changes."""
    bundle = Bundle.open(tiny_bundle)
    assert not bundle.layout.live_catalogue.exists()
    assert {path.name for path in tiny_bundle.iterdir()} == {*bundle.manifest.files, bundle.layout.manifest.name}


def test_a_measured_result_becomes_a_document(result):
    """The view shows a real result, not only made-up ones."""
    titles = [section.title for section in view(result).sections]
    assert [name for title in titles for name in SCENARIOS if f"({name})" in title] == list(SCENARIOS)


def test_every_key_of_a_measured_result_is_documented(result, undocumented):
    """A reader of a result finds each of its keys in docs/benchmarks.md."""
    assert undocumented(result) == set()


def test_a_folder_that_is_no_bundle_is_refused_before_anything_is_measured(tmp_path):
    """The bundle's own error says what is wrong."""
    with pytest.raises(BundleError, match="is not a bundle"):
        bench_latency(tmp_path, None, SETTINGS)


def test_with_a_run_the_reference_comes_first(tiny_bundle, tmp_path):
    """PyTorch gets as many threads as everyone."""
    variants, left_out = lineup(Bundle.open(tiny_bundle), tmp_path, ("fp32",), 2, complete=True)
    assert [one.name for one in variants] == [PYTORCH, in_process("fp32"), through_grpc("fp32")]
    assert variants[0].options == {"run": str(tmp_path), "threads": 2, "device": "cpu"}
    assert left_out == []
    assert {one.threads for one in variants} == {2}


def test_on_a_gpu_the_reference_runs_there_too(tiny_bundle, tmp_path):
    """Emberline runs on the device that was asked for, whichever way that is, and PyTorch on CUDA."""
    bundle = Bundle.open(tiny_bundle)
    variants, _ = lineup(bundle, tmp_path, ("fp32",), 2, complete=True, device="tensorrt")
    assert [one.options["device"] for one in variants] == ["cuda", "tensorrt", "tensorrt"]


def test_each_device_measures_what_it_runs(tiny_bundle):
    """Without a choice all that bundle and device have in common is measured; int8 is each device's own."""
    bundle = Bundle.open(tiny_bundle)  # has fp32 and int8
    assert choose(bundle, (), "cpu") == ("fp32", "int8")
    assert choose(bundle, (), "cuda") == ("fp32",)
    assert choose(bundle, ("int8", "fp32"), "tensorrt") == ("fp32", "int8-trt")
    assert set(PRECISIONS) == set(DEVICES)
    with pytest.raises(ConfigError, match="cuda does not run int8; choose from fp32, fp16"):
        choose(bundle, ("int8",), "cuda")


def test_a_device_that_is_not_here_stops_the_bench(tiny_bundle):
    """A variant whose device cannot run is an error with that reason, and never measured on another one."""
    with contextlib.suppress(DeviceUnavailable, MissingExtra):
        find_gpu()
        pytest.skip("this machine has a GPU")
    with pytest.raises(BenchError, match=r"Emberline fp32 cannot be measured: DeviceUnavailable: device 'cuda' needs"):
        bench_latency(tiny_bundle, None, replace(SETTINGS, device="cuda"), precisions=("fp32",))


def test_a_list_of_devices_is_refused():
    """The bench measures one device at a time."""
    with pytest.raises(ConfigError, match="measure one of cpu, openvino, openvino:GPU"):
        replace(SETTINGS, device="cuda,cpu")


def test_requests_are_the_same_for_every_variant_and_others_in_every_repetition(fake_variant):
    """A repetition's requests follow from its number alone; the next one goes on where it ended."""

    class Recorder(Worker):
        def __init__(self) -> None:
            self.requests: list[list[list[str]]] = []

        def closed(self, requests):
            """Note the requests; a millisecond each."""
            self.requests.append(requests)
            return [0.001] * len(requests)

        def bulk(self, texts, order):
            """Any throughput."""
            return {"sorted": 100.0, "arrival": 50.0}[order] * len(texts) / 7

    worker = Recorder()
    texts = [str(index) for index in range(7)]
    found = single_stream(worker, texts, SETTINGS.single, 0)
    single_stream(worker, texts, SETTINGS.single, 1)
    multi_stream(worker, texts, SETTINGS.multi, 0)
    assert worker.requests[0] == [["0"], ["1"], ["2"], ["3"]]
    assert worker.requests[1] == [["4"], ["5"], ["6"], ["0"]]
    assert [len(request) for request in worker.requests[2]] == [8, 8]
    assert [math.isclose(value, 1.0) for value in found.values()] == [True] * 3
    assert list(offline(worker, texts, "sorted").values()) == [100.0]


def test_a_bundle_of_another_run_is_not_timed(tiny_bundle, tmp_path):
    """Vectors that differ from PyTorch's in fp32 are those of another model; ratios to it would mean nothing."""

    class EncodingWorker(Worker):
        def __init__(self, variant, vector):
            self.variant = variant
            self.vector = vector

        def encode(self, texts, order="sorted"):
            """The same vector for every text."""
            assert order == "sorted"
            return np.tile(np.array(self.vector, np.float32), (len(texts), 1))

    variants, _ = lineup(Bundle.open(tiny_bundle), tmp_path, ("int8", "fp32"), 1, complete=False)
    texts = TextSet("two", "", ("a", "b"), (3, 3))
    same = [EncodingWorker(variant, (1, 2)) for variant in variants[:2]]
    assert _compare(same, texts, lambda _: None)[in_process("int8")] == pytest.approx((1, 1))
    with pytest.raises(BenchError, match=r"Emberline fp32 .* not exported from this run"):
        _compare([*same, EncodingWorker(variants[2], (2, 1))], texts, lambda _: None)


@pytest.mark.parametrize("wrong", [{"repetitions": 0}, {"load_seconds": 0.0}, {"scenarios": ("Serial",)}, {"seed": -1}])
def test_a_setting_out_of_its_range_is_refused(wrong):
    """The error names the setting."""
    with pytest.raises(ConfigError, match="Serial|" + next(iter(wrong))):
        LatencySettings(**wrong)
