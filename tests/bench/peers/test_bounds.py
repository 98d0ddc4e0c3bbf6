from __future__ import annotations

import pytest

from emberline.bench.harness.lineup import in_process, through_grpc
from emberline.bench.harness.load import Load
from emberline.bench.harness.measure import P50, P99, THROUGHPUT, Samples
from emberline.bench.peers.bounds import Evidence, best_of_both, targets
from emberline.bench.peers.closeness import Closeness
from emberline.bench.peers.gemm import Peak
from emberline.bench.peers.measurements import Notes, Work, row_of, variant_of
from emberline.bench.peers.registry import BARE, STANDARD, TRITON

INT8, FP32, SERVED = in_process("int8"), in_process("fp32"), through_grpc("int8")
AGREEMENTS = {
    INT8: 0.95,
    FP32: 1.0,
    STANDARD: 1.0,
    BARE["fp32"]: 1.0,
    "CTranslate2 int8": 0.94,
    "OpenVINO int8": 0.9497,
}


def evidence(speeds, agreements=AGREEMENTS, **notes):
    """Evidence with two repetitions of each speed on the mixed texts."""
    samples = Samples("mixed", "Offline")
    for name, speed in speeds.items():
        for factor in (1.0, 0.5):  # a machine that became slower slows all
            samples.add(name, {THROUGHPUT: speed * factor})
    found = Notes(offline={"mixed": samples}, counts={"mixed": 10}, **notes)
    return Evidence(found, {name: Closeness(1.0, 1.0, value) for name, value in agreements.items()}, 2_000_000_000)


def target(found, what, compared=""):
    """The first target whose names hold these."""
    return next(one for one in targets(found) if what in one.what and compared in one.compared)


def test_a_ratio_is_taken_within_each_repetition():
    """What slows the machine for a whole repetition does not show in the ratio."""
    found = target(evidence({INT8: 300.0, STANDARD: 120.0}), "offline, mixed texts: texts/s", STANDARD)
    assert found.value.repetitions == pytest.approx((2.5, 2.5))
    assert (found.bound, found.reached, found.share) == (2.0, True, pytest.approx(1.25))


def test_a_target_without_its_rival_says_who_is_missing():
    """It is not reached, and it is not forgotten."""
    found = target(evidence({INT8: 300.0}), "offline, mixed texts: texts/s", STANDARD)
    assert (found.value, found.reached, found.share) == (None, False, None)
    assert found.reason == f"{STANDARD} was not measured"


def test_the_best_peer_is_one_that_agrees_as_well():
    """A faster peer that agrees less does not count, one that agrees but for rounding does, in its best batch size."""
    speeds = {INT8: 300.0, FP32: 150.0, "CTranslate2 int8": 400.0, STANDARD: 120.0, "OpenVINO int8": 200.0}
    assert best_of_both(evidence(speeds)) == (INT8, "OpenVINO int8")
    speeds[row_of("OpenVINO int8", 4)] = 250.0
    assert best_of_both(evidence(speeds)) == (INT8, row_of("OpenVINO int8", 4))
    assert variant_of(row_of("OpenVINO int8", 4)) == "OpenVINO int8"


def test_arithmetic_is_a_share_of_the_peak_of_the_same_repetition():
    """Ten texts of 2 billion operations at 10 texts a second are 2 billion a second."""
    peaks = {"fp32": [Peak(4.0, "NumPy", (1,)), Peak(4.0, "NumPy", (1,))]}
    found = target(evidence({FP32: 10.0}, peaks=peaks), "arithmetic", "fp32 matrix")
    assert found.value.repetitions == pytest.approx((0.5, 0.25))


def test_latencies_have_to_stay_below_their_bounds():
    """A p99 of half of the rival's is more than enough, the double is missed by half."""
    crowd = Samples("mixed", "8 clients")
    for name, p99 in ((SERVED, 40.0), (TRITON["int8"], 20.0)):
        crowd.add(name, {THROUGHPUT: 100.0, P50: 10.0, P99: p99})
    found = target(evidence({}, crowds={8: crowd}), "8 clients: p99", "int8")
    assert (found.at_most, found.reached, found.share) == (True, False, pytest.approx(0.5))


def test_load_is_compared_with_lone_requests():
    """p99 from the scheduled arrival over p50 of one request at a time."""
    lone = Samples("mixed", "SingleStream")
    lone.add(SERVED, {P50: 5.0})
    loads = {SERVED: [Load((6.0, 10.0, 25.0), 0.1, 0)]}
    assert target(evidence({}, lone=lone, loads=loads), "70 % load").value.median == pytest.approx(5.0)


def test_growing_work_has_to_cost_the_same_a_text_and_no_memory():
    """The slowest size over the fastest; the memory after the largest over that after the smallest."""
    work = {100: [Work(50.0, 200.0)], 1000: [Work(40.0, 300.0)]}
    found = evidence({}, work=work)
    assert target(found, "growing work: slowest").value.median == pytest.approx(0.8)
    memory = target(found, "growing work: memory")
    assert (memory.value.median, memory.reached) == (pytest.approx(1.5), False)


def test_recommending_has_a_bound_for_its_catalogue():
    """Exact search over two hundred thousand items may take longer than over two thousand."""
    samples = {count: Samples("histories", "") for count in (1_682, 200_000)}
    for one in samples.values():
        one.add(SERVED, {P50: 5.0})
    found = evidence({}, recommendations=samples)
    assert [target(found, "Recommend", count).reached for count in ("1,682", "200,000")] == [False, True]


def test_one_thread_is_compared_with_one_thread():
    """int8 over fp32, both with one thread, whatever the others have."""
    alone = Samples("mixed", "Offline, one thread")
    for name, speed in ((INT8, 150.0), (FP32, 90.0)):
        alone.add(name, {THROUGHPUT: speed})
    found = target(evidence({INT8: 999.0, FP32: 1.0}, one_thread=alone), "one thread")
    assert (found.value.median, found.bound, found.reached) == (pytest.approx(150 / 90), 1.5, True)
