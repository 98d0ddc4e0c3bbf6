from __future__ import annotations

from dataclasses import replace

import pytest

from emberline.bench.harness.measurements import P50, P99, THROUGHPUT, Measurements
from emberline.bench.harness.variants import in_process, through_grpc
from emberline.bench.peers.bounds import Evidence, best_of_both, bounds
from emberline.bench.peers.evaluator import Closeness
from emberline.bench.peers.places import (
    GIGA_OPERATIONS,
    LOAD,
    LONE,
    MEMORY,
    ONE_THREAD,
    PEAK,
    bulk,
    crowd,
    growing,
    recommending,
    row_of,
    variant_of,
)
from emberline.bench.peers.registry import BARE, STANDARD, TRITON
from emberline.bench.peers.settings import PeersSettings

INT8, FP32, SERVED = in_process("int8"), in_process("fp32"), through_grpc("int8")
AGREEMENTS = {
    INT8: 0.95,
    FP32: 1.0,
    STANDARD: 1.0,
    BARE["fp32"]: 1.0,
    "CTranslate2 int8": 0.94,
    "OpenVINO int8": 0.9497,
}


SETTINGS = PeersSettings(clients=(8,), catalogues=(1_682, 200_000), work=(100, 1000))


def evidence(speeds, agreements=AGREEMENTS, rows=()):
    """Evidence with two repetitions of each speed on the mixed texts, and with rows of other sections."""
    measured = Measurements()
    for name, speed in speeds.items():
        for factor in (1.0, 0.5):  # a machine that became slower slows all
            measured.add(bulk("mixed"), name, {THROUGHPUT: speed * factor})
    for row in rows:
        measured.add(*row)
    close = {name: Closeness(1.0, 1.0, value) for name, value in agreements.items()}
    return Evidence(measured, close, SETTINGS, operations=2_000_000_000, count=10)


def bound(found, what, compared=""):
    """The first bound whose names hold these."""
    return next(one for one in bounds(found) if what in one.what and compared in one.compared)


def test_a_ratio_is_taken_within_each_repetition():
    """What slows the machine for a whole repetition does not show in the ratio."""
    found = bound(evidence({INT8: 300.0, STANDARD: 120.0}), "offline, mixed texts: texts/s", STANDARD)
    assert found.value.repetitions == pytest.approx((2.5, 2.5))
    assert (found.bound, found.reached, found.share) == (2.0, True, pytest.approx(1.25))


def test_a_bound_without_its_rival_says_who_is_missing():
    """It is not reached, and it is not forgotten."""
    found = bound(evidence({INT8: 300.0}), "offline, mixed texts: texts/s", STANDARD)
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
    peaks = [(PEAK, "fp32", {GIGA_OPERATIONS: 4.0})] * 2
    found = bound(evidence({FP32: 10.0}, rows=peaks), "arithmetic", "fp32 matrix")
    assert found.value.repetitions == pytest.approx((0.5, 0.25))


def test_latencies_have_to_stay_below_their_bounds():
    """A p99 of half of the rival's is more than enough, the double is missed by half."""
    crowds = [
        (crowd(8), name, {THROUGHPUT: 100.0, P50: 10.0, P99: p99})
        for name, p99 in ((SERVED, 40.0), (TRITON["int8"], 20.0))
    ]
    found = bound(evidence({}, rows=crowds), "8 clients: p99", "int8")
    assert (found.at_most, found.reached, found.share) == (True, False, pytest.approx(0.5))


def test_load_is_compared_with_lone_requests():
    """p99 from the scheduled arrival over p50 of one request at a time."""
    rows = [(LONE, SERVED, {P50: 5.0}), (LOAD, SERVED, {P50: 6.0, P99: 25.0})]
    assert bound(evidence({}, rows=rows), "70 % load").value.median == pytest.approx(5.0)


def test_growing_work_has_to_cost_the_same_a_text_and_no_memory():
    """The slowest size over the fastest; the memory after the largest over that after the smallest."""
    work = [
        (growing(count), INT8, {THROUGHPUT: speed, MEMORY: held})
        for count, speed, held in ((100, 50, 200), (1000, 40, 300))
    ]
    found = evidence({}, rows=work)
    assert bound(found, "growing work: slowest").value.median == pytest.approx(0.8)
    memory = bound(found, "growing work: memory")
    assert (memory.value.median, memory.reached) == (pytest.approx(1.5), False)


def test_recommending_has_a_bound_for_its_catalogue():
    """Exact search over two hundred thousand items may take longer than over two thousand."""
    found = evidence({}, rows=[(recommending(count), SERVED, {P50: 5.0}) for count in (1_682, 200_000)])
    assert [bound(found, "Recommend", count).reached for count in ("1,682", "200,000")] == [False, True]


def test_one_thread_is_compared_with_one_thread():
    """int8 over fp32, both with one thread, whatever the others have."""
    alone = [(ONE_THREAD, name, {THROUGHPUT: speed}) for name, speed in ((INT8, 150.0), (FP32, 90.0))]
    found = bound(evidence({INT8: 999.0, FP32: 1.0}, rows=alone), "one thread")
    assert (found.value.median, found.bound, found.reached) == (pytest.approx(150 / 90), 1.5, True)


def everything():
    """A row in every section that bounds are taken of."""
    work = [(growing(count), "int8", {THROUGHPUT: 50.0, MEMORY: 200.0}) for count in (100, 1000)]
    asked = [(recommending(count), SERVED, {P50: 3.0}) for count in (1_682, 200_000)]
    return [(LONE, SERVED, {P50: 5.0}), (LOAD, SERVED, {P99: 30.0}), *asked, *work]


def test_every_bound_is_what_was_promised():
    """What is asked for, in which direction, and where the reader finds what it is made of."""
    found = [(one.what, one.bound, one.at_most, one.profile) for one in bounds(evidence({}, rows=everything()))]
    offline = "offline, mixed texts: texts/s"
    assert found == [
        (offline, 2.0, False, "operators"),
        (f"{offline}, the best against the best peer that agrees as well", 1.2, False, "operators"),
        (offline, 2.5, False, "operators"),
        (f"{offline}, one thread", 1.5, False, "operators"),
        ("offline, mixed texts: arithmetic", 0.85, False, "operators"),
        ("offline, mixed texts: arithmetic", 0.65, False, "operators"),
        *[("8 clients: texts/s, against offline in process", 0.80, False, "spent")] * 2,
        *[("8 clients: texts/s", 1.3, False, "spent"), ("8 clients: p99", 1.0, True, "spent")] * 2,
        *[("lone request: p50, against tokenizing and running alone", 1.3, True, "parts")] * 2,
        ("70 % load: p99", 6.0, True, "loads"),
        ("Recommend by history ids: p50, ms", 3.0, True, "parts"),
        ("Recommend by history ids: p50, ms", 30.0, True, "parts"),
        ("growing work: slowest / fastest", 0.9, False, "work"),
        ("growing work: memory", 1.1, True, "work"),
    ]


def test_a_bound_itself_is_reached():
    """Exactly 3 ms of at most 3 ms, and six times the lone p50, are enough; the least bit more is not."""
    rows = everything()
    assert all(
        bound(evidence({}, rows=rows), what).reached for what in ("Recommend", "70 % load", "growing work: slowest")
    )
    rows[1] = (LOAD, SERVED, {P99: 30.01})
    assert not bound(evidence({}, rows=rows), "70 % load").reached


def test_a_catalogue_of_ten_thousand_is_small():
    """Up to there 3 ms are allowed, beyond 30."""
    for count, most in ((10_000, 3.0), (10_001, 30.0)):
        found = evidence({}, rows=[(recommending(count), SERVED, {P50: 5.0})])
        settings = PeersSettings(clients=(8,), catalogues=(count,), work=(100, 1000))
        assert bound(replace(found, settings=settings), "Recommend").bound == most


def test_agreement_may_be_lower_by_rounding_alone():
    """A peer half a thousandth below counts as agreeing as well, one that is further away does not."""
    for agreement, rival in ((0.9495, "peer int8"), (0.9494, "no peer")):
        found = evidence({INT8: 300.0, "peer int8": 200.0}, {INT8: 0.95, "peer int8": agreement})
        assert best_of_both(found) == (INT8, rival)
