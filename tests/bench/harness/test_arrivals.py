from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.bench.harness.scenarios import poisson


@given(st.floats(0.1, 1e4), st.floats(0.01, 5), st.integers(0, 1000))
def test_arrivals_ascend(rate, seconds, seed):
    """There is at least one, none before the start, each after the one before."""
    times = poisson(rate, seconds, seed)
    assert times[0] >= 0
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_the_same_seed_gives_the_same_arrivals():
    """A schedule is made by its seed; another seed gives another."""
    assert poisson(100, 3, 7) == poisson(100, 3, 7)
    assert poisson(100, 3, 7) != poisson(100, 3, 8)


def test_another_rate_keeps_the_pattern_of_bursts():
    """Twice the rate is the same pattern, twice as fast."""
    slow, fast = poisson(50, 4, 7), poisson(100, 2, 7)
    assert np.array(slow) / 2 == pytest.approx(np.array(fast))


def test_gaps_are_exponential():
    """The gaps have the exponential distribution's mean and spread, so arrivals are a Poisson process."""
    gaps = np.diff(poisson(100, 200, 7))
    assert gaps.mean() == pytest.approx(0.01, rel=0.03)
    assert gaps.std() == pytest.approx(0.01, rel=0.03)
