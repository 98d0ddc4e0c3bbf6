"""Intervals around the comparison of two models."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from emberline.engine.errors import InvalidInput
from emberline.export.evaluation.bootstrap import paired_interval


def _pair(seed: int, queries: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """A base that differs much between queries, and a model that is 0.1 better on each, give or take 0.1."""
    rng = np.random.default_rng(seed)
    theirs = rng.uniform(0.0, 2.0, queries)
    return theirs + rng.normal(0.1, 0.1, queries), theirs


def test_the_estimate_is_the_comparison_of_the_means() -> None:
    """The estimate is the ratio or the difference of the means over all queries, and lies within its interval."""
    ours, theirs = _pair(0)
    ratio, difference = paired_interval(ours, theirs, "ratio"), paired_interval(ours, theirs, "difference")
    assert ratio.estimate == pytest.approx(ours.mean() / theirs.mean())
    assert difference.estimate == pytest.approx(ours.mean() - theirs.mean())
    assert ratio.low < ratio.estimate < ratio.high
    assert difference.low < difference.estimate < difference.high


def test_the_interval_has_the_known_width() -> None:
    """For a difference the interval is the normal one: ± 1.96 standard errors of the paired differences."""
    ours, theirs = _pair(0)
    found = paired_interval(ours, theirs, "difference", samples=20_000)
    error = (ours - theirs).std() / np.sqrt(len(ours))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)


@pytest.mark.parametrize(("statistic", "truth"), [("difference", 0.1), ("ratio", 1.1)])
def test_the_interval_holds_the_truth_as_often_as_it_says(
    statistic: Literal["ratio", "difference"], truth: float
) -> None:
    """Over many data sets, a 90 % interval holds the truth in about 90 % of them."""
    found = [paired_interval(*_pair(seed, 200), statistic, samples=400, level=0.9) for seed in range(200)]
    assert np.mean([interval.low <= truth <= interval.high for interval in found]) == pytest.approx(0.9, abs=0.06)


def test_the_seed_decides() -> None:
    """The same seed gives the same interval, another seed a slightly other one."""
    ours, theirs = _pair(0)
    assert paired_interval(ours, theirs, "ratio", seed=1) == paired_interval(ours, theirs, "ratio", seed=1)
    assert paired_interval(ours, theirs, "ratio", seed=1) != paired_interval(ours, theirs, "ratio", seed=2)


def test_a_ratio_without_a_bound() -> None:
    """Where the other model scores on a single query, some samples miss it: the ratio has no bound above."""
    theirs = np.zeros(20)
    theirs[0] = 1
    assert paired_interval(np.ones(20), theirs, "ratio").high == np.inf


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ([1.0], [1.0, 2.0], r"theirs: has the shape \(2,\) and ours \(1,\)"),
        ([], [], r"give one value a query"),
        ([1.0], [0.0], r"theirs: has the mean 0, by which nothing can be divided"),
    ],
)
def test_what_cannot_be_compared_is_refused(ours: list[float], theirs: list[float], message: str) -> None:
    """Values of other queries, no values, and a ratio to nothing are refused."""
    with pytest.raises(InvalidInput, match=message):
        paired_interval(np.array(ours), np.array(theirs), "ratio")
