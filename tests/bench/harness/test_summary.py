from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.bench.harness.summary import Summary, improvement, percentile

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
