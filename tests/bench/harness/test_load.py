from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.bench.harness.load import Load, bisect, point


@given(st.floats(0.05, 100), st.integers(1, 12))
def test_bisection_finds_the_highest_rate_that_holds(limit, probes):
    """What it returns holds, and is within the last halving of the limit."""
    ceiling = 110.0
    found = bisect(lambda rate: rate <= limit, ceiling, probes)
    assert found <= limit
    assert limit - found <= ceiling / 2**probes + 1e-9


def test_bisection_of_what_never_holds_is_zero():
    """A variant that holds the bound at no rate has the rate zero."""
    assert bisect(lambda _: False, 100.0, 5) == 0.0


def test_a_load_point_summarises_repetitions():
    """Percentiles are summarised one by one, and unanswered requests add up."""
    loads = [Load((1.0, 2.0, 3.0), 0.1, 0), Load((3.0, 4.0, math.inf), 0.3, 2)]
    found = point("mixed", "fake", 0.7, 50.0, loads)
    assert (found.p50.median, found.p90.median, found.unanswered) == (2.0, 3.0, 2)
    assert found.p99.maximum == math.inf
    assert found.lag_p99.median == pytest.approx(0.2)
