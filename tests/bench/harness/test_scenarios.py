from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.bench.harness.loops import OpenLoop
from emberline.bench.harness.measurements import P50, P90, P99
from emberline.bench.harness.scenarios import LAG, OFFERED, UNANSWERED, bisect, under_load


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


def test_a_load_has_its_percentiles_and_what_was_lost():
    """Percentiles are in milliseconds, a request without an answer is infinitely late, and the lag is told."""

    class Busy:
        def open(self, _texts, _arrivals):
            """Two of four requests are lost."""
            return OpenLoop([0.001, 0.002, None, None], [0.0001, 0.0002, 0.0002, 0.0002], {"ValueError": 2}, False)

    found = under_load(Busy(), ["a"], 50.0, 0.1, seed=1)
    assert (found[P50], found[P90], found[P99]) == (2.0, math.inf, math.inf)
    assert (found[UNANSWERED], found[OFFERED], found[LAG]) == (2, 50.0, pytest.approx(0.2))
