from __future__ import annotations

import numpy as np
import pytest

from emberline.engine.records import Floats
from emberline.export.precision.analysis.calibration import Statistics
from emberline.export.precision.analysis.ranges import input_range
from emberline.export.precision.recipe import METHODS, Method

ONES = np.ones(16, np.float32)


def _seen(inputs: Floats) -> Statistics:
    width = inputs.shape[1]
    return Statistics(inputs.min(axis=0), inputs.max(axis=0), np.zeros(width), np.eye(width), inputs)


@pytest.fixture(scope="module")
def normal() -> Floats:
    """20,000 inputs of 16 channels, and one outlier ten times as far out as the others."""
    drawn = np.random.default_rng(0).standard_normal((20_000, 16)).astype(np.float32)
    drawn[7, 3] = 50
    return drawn


def test_minmax_holds_all_that_was_seen(normal: Floats) -> None:
    """With ``minmax`` the range reaches to the outlier."""
    low, high = input_range(_seen(normal), ONES, "minmax")
    assert (low, high) == (normal.min(), 50)


def test_percentile_cuts_off_one_in_ten_thousand(normal: Floats) -> None:
    """With ``percentile`` a small share is clipped at either end."""
    low, high = input_range(_seen(normal), ONES, "percentile")
    for share in ((normal < low).mean(), (normal > high).mean()):
        assert share == pytest.approx(1e-4, rel=0.1)


def test_entropy_gives_an_outlier_up(normal: Floats) -> None:
    """``entropy`` clips a single outlier to keep finer steps for the bulk."""
    low, high = input_range(_seen(normal), ONES, "entropy")
    assert high < 40
    assert low == normal.min()


def test_entropy_keeps_what_is_evenly_spread() -> None:
    """``entropy`` clips nothing of a uniform distribution."""
    even = np.random.default_rng(0).uniform(-1, 1, (20_000, 16)).astype(np.float32)
    low, high = input_range(_seen(even), ONES, "entropy")
    assert high - low > 1.95


@pytest.mark.parametrize("method", METHODS)
def test_ranges_are_those_of_the_divided_inputs(normal: Floats, method: Method) -> None:
    """Divisors of two halve the range."""
    whole = input_range(_seen(normal), ONES, method)
    half = input_range(_seen(normal), 2 * ONES, method)
    np.testing.assert_allclose(half, np.divide(whole, 2), rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_dead_input_has_a_range(method: Method) -> None:
    """The range of zeros alone is finite."""
    dead = np.zeros((10, 16), np.float32)
    assert np.isfinite(input_range(_seen(dead), ONES, method)).all()
