from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.bench.harness.measurements import (
    P50,
    THROUGHPUT,
    Bound,
    Measurements,
    Row,
    Summary,
    improvement,
    interleaved,
    percentile,
)

latencies = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200)


@given(latencies, st.floats(0, 100))
def test_a_percentile_is_numpys(values, share):
    """It is the latency that NumPy's inverted distribution function gives."""
    assert percentile(values, share) == np.percentile(values, share, method="inverted_cdf")


@given(latencies, st.floats(1, 100))
def test_a_percentile_was_observed_and_holds_for_its_share(values, share):
    """It is one of the latencies, and at least that share of them do not exceed it."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= math.floor(share / 100 * len(values))


def test_a_request_without_an_answer_is_infinitely_late():
    """One lost request in a hundred spoils p100 and no more; two spoil p99."""
    assert percentile([1.0] * 99 + [None], 99) == 1.0
    assert percentile([1.0] * 99 + [None], 100) == math.inf
    assert percentile([1.0] * 98 + [None] * 2, 99) == math.inf


def test_a_summary_keeps_every_repetition():
    """Median, least and greatest come from the values, which stay in their order."""
    assert Summary.of([3.0, 1.0, 2.0]) == Summary((3.0, 1.0, 2.0), 2.0, 1.0, 3.0)


def test_ratios_are_taken_within_each_repetition():
    """A repetition that slowed both alike leaves the ratio as it was."""
    throughput = improvement([200.0, 20.0, 220.0], [100.0, 10.0, 100.0], higher_is_better=True)
    assert throughput.repetitions == pytest.approx((2.0, 2.0, 2.2))
    assert throughput.median == pytest.approx(2.0)
    latency = improvement([5.0, 50.0], [10.0, 100.0], higher_is_better=False)
    assert latency.repetitions == pytest.approx((2.0, 2.0))


@pytest.mark.parametrize("higher", [True, False])
def test_a_ratio_to_nothing_is_no_number(higher):
    """A reference that reached no rate at all gives no ratio."""
    assert all(map(math.isnan, improvement([0.0, 1.0], [0.0, 0.0], higher_is_better=higher).repetitions[:1]))


@given(st.integers(1, 6), st.integers(1, 8))
def test_every_repetition_measures_each_variant_once(count, repetitions):
    """Variants take turns: a repetition is complete before the next one begins."""
    order = list(interleaved(range(count), repetitions))
    for repetition in range(repetitions):
        block = order[repetition * count : (repetition + 1) * count]
        assert {place for place, _ in block} == {repetition}
        assert sorted(variant for _, variant in block) == list(range(count))


def test_repetitions_begin_with_different_variants():
    """No variant is always the first, which would find the machine in another state than the others."""
    order = list(interleaved(["a", "b", "c"], 3))
    assert [order[place][1] for place in (0, 3, 6)] == ["a", "b", "c"]


def test_samples_become_medians_and_ratios_to_the_reference():
    """A ratio is above 1 where the variant is better, for latencies as for throughputs."""
    measured = Measurements()
    for repetition in range(3):
        measured.add("Offline", "reference", {THROUGHPUT: 10.0 * (repetition + 1), P50: 8.0})
        measured.add("Offline", "other", {THROUGHPUT: 25.0 * (repetition + 1), P50: 4.0})
    assert measured.median("Offline", "other", THROUGHPUT) == 50.0
    ratio = measured.ratio("Offline", "other", THROUGHPUT, "reference")
    assert ratio.repetitions == pytest.approx((2.5, 2.5, 2.5))
    assert measured.ratio("Offline", "other", P50, "reference").median == 2.0
    assert measured.ratio("Offline", "reference", P50, "reference").median == 1.0


def test_without_a_reference_there_are_no_ratios():
    """A comparison without PyTorch has values and says nothing of ratios."""
    measured = Measurements()
    measured.add("Offline", "other", {THROUGHPUT: 1.0})
    assert [measured.ratio("Offline", "other", THROUGHPUT, name) for name in ("reference", None)] == [None, None]


def test_the_table_comes_back_from_a_result():
    """Each row has a value a repetition; one that JSON could not hold is infinite again."""
    found = Measurements.of(
        {"measurements": [{"section": "a", "variant": "b", "metric": "p99", "values": [1.0, None]}]}
    )
    assert found.values("a", "b", "p99") == [1.0, math.inf]
    assert (found.sections(), found.variants("a"), found.metrics("a")) == (["a"], ["b"], ["p99"])
    assert found.summary("a", "b", "p50") is None
    assert found == Measurements([Row("a", "b", "p99", [1.0, None])])


def test_what_is_dropped_leaves_no_row():
    """A variant that was taken out has repetitions missing."""
    measured = Measurements()
    for name in ("stays", "goes"):
        measured.add("Offline", name, {THROUGHPUT: 1.0})
    measured.drop(lambda name: name == "goes")
    assert [(row.variant, row.values) for row in measured.rows] == [("stays", [1.0])]


def test_the_mean_is_that_of_the_seeds():
    """A method that has no value in a section has no mean either."""
    measured = Measurements()
    for value in (1.0, 2.0, 6.0):
        measured.add("item cold", "ridge", {"ndcg@10": value})
    assert measured.mean("item cold", "ridge", "ndcg@10") == 3.0
    assert measured.mean("item cold", "ALS", "ndcg@10") is None


@pytest.mark.parametrize(
    ("values", "at_most", "reached", "share"),
    [
        ((2.0, 4.0, 3.0), False, True, 1.5),
        ((2.0,), False, True, 1.0),
        ((1.0, 1.0, 9.0), False, False, 0.5),
        ((1.0,), True, True, 2.0),
        ((2.0,), True, True, 1.0),
        ((4.0,), True, False, 0.5),
        ((0.0,), True, True, math.inf),
    ],
)
def test_a_bound_is_reached_by_the_median(values, at_most, reached, share):
    """At the bound itself it is reached; the share says how far away the median is, in either direction."""
    found = Bound.of("texts/s", "one / other", values, 2.0, at_most=at_most, profile="spent")
    assert (found.reached, found.share) == (reached, share)
    assert found.value == Summary.of(values)
    assert (found.reason, found.profile) == ("", "spent")


@pytest.mark.parametrize(("values", "reason"), [((), "one was not measured"), ((1.0, math.nan), "it is not a number")])
def test_a_bound_without_a_number_is_not_reached(values, reason):
    """What was not measured, or is no number, has the reason in place of the value."""
    found = Bound.of("texts/s", "one / other", values, 2.0, reason="" if values else "one was not measured")
    assert (found.reached, found.value, found.share, found.reason) == (False, None, None, reason)
