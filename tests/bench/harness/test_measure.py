from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.bench.harness.measure import P50, THROUGHPUT, Samples, interleaved


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
    samples = Samples("mixed", "Offline")
    for repetition in range(3):
        samples.add("reference", {THROUGHPUT: 10.0 * (repetition + 1), P50: 8.0})
        samples.add("other", {THROUGHPUT: 25.0 * (repetition + 1), P50: 4.0})
    found = {(one.variant, one.metric): one for one in samples.measurements("reference")}
    assert found["other", "throughput"].values.median == 50.0
    assert found["other", "throughput"].ratio.repetitions == pytest.approx((2.5, 2.5, 2.5))
    assert found["other", "p50"].ratio.median == 2.0
    assert found["reference", "p50"].ratio.median == 1.0


def test_without_a_reference_there_are_no_ratios():
    """A comparison without PyTorch has values and says nothing of ratios."""
    samples = Samples("mixed", "Offline")
    samples.add("other", {THROUGHPUT: 1.0})
    assert [one.ratio for one in samples.measurements("reference")] == [None]
