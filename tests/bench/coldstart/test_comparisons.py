"""Means, comparisons and groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emberline.bench.coldstart.comparisons import LEAST_MEMBERS, by_place, compare, groups, rivals
from emberline.bench.coldstart.entries import Cost, Entry, Findings
from emberline.bench.coldstart.settings import ColdStartSettings
from emberline.engine.errors import ConfigError
from emberline.export.data.records import UserRecord
from emberline.export.evaluation.evaluation import Evaluation
from emberline.export.evaluation.scenarios import Scenario

SETTINGS = ColdStartSettings(samples=500)


def entry(method, seed, values, users=None, kind="baseline", scenario="warm", facts=False):
    """An entry whose queries have the given NDCG@10."""
    values = np.asarray(values, dtype=np.float64)
    users = np.arange(len(values)) if users is None else np.asarray(users)
    some = (np.arange(1),) * len(values)
    asked = Scenario(scenario, users, some, some, some, np.arange(3))
    ranked = Evaluation(
        scenario=scenario,
        users=users,
        recall={10: values, 20: values},
        ndcg={10: values, 20: values},
        reciprocal_rank=values,
        coverage={10: 0.5, 20: 0.6},
        gini={10: 0.3, 20: 0.2},
        top=np.zeros((len(values), 20), dtype=np.int64),
    )
    return Entry(seed, method, kind, facts, asked, ranked, "Some()", 0.2, 3, Cost(1.0 + seed, 2.0, 3.0))


def test_findings_are_seed_by_seed():
    """Measures, costs and choices are put together seed by seed, with their mean."""
    findings = Findings()
    findings.enter([entry("a", 0, [0.2, 0.4]), entry("a", 1, [0.5, 0.7])])
    assert findings.measured.mean("warm", "a", "ndcg@10") == pytest.approx(0.45)
    assert findings.measured.values("warm", "a", "mrr") == pytest.approx([0.3, 0.6])
    assert [one.seed for one in findings.chosen] == [0, 1]
    assert findings.measured.mean("warm", "a", "fit_seconds") == 1.5


def test_entries_are_found_by_scenario_and_method_in_the_order_of_seeds():
    """Whatever order they were measured in."""
    places = by_place([entry("a", 1, [1.0]), entry("b", 0, [1.0]), entry("a", 0, [1.0])])
    assert [one.seed for one in places["warm", "a"]] == [0, 1]
    assert list(places) == [("warm", "a"), ("warm", "b")] or set(places) == {("warm", "a"), ("warm", "b")}


def test_a_ratio_is_that_of_all_queries():
    """The ratio of the sums over all seeds lies in its interval, and each seed has its own."""
    rng = np.random.default_rng(0)
    theirs = [rng.random(50) for _ in range(3)]
    ours = [1.2 * one + 0.05 * rng.random(50) for one in theirs]
    found = compare(
        [entry("a", seed, one) for seed, one in enumerate(ours)],
        [entry("b", seed, one) for seed, one in enumerate(theirs)],
        SETTINGS,
    )
    assert found is not None
    assert found.ratio == pytest.approx(np.sum(ours) / np.sum(theirs))
    assert found.low < found.ratio < found.high
    assert found.seeds == pytest.approx([one.sum() / two.sum() for one, two in zip(ours, theirs, strict=True)])


def test_a_user_who_asks_under_three_seeds_is_one_witness():
    """The same answers from the same users thrice leave the interval as wide as once; from others they narrow it."""
    rng = np.random.default_rng(1)
    ours, theirs = rng.random(40), rng.random(40)

    def width(users):
        found = compare(
            [entry("a", seed, ours, users(seed)) for seed in range(3)],
            [entry("b", seed, theirs, users(seed)) for seed in range(3)],
            SETTINGS,
        )
        assert found is not None
        return found.high - found.low

    once = compare([entry("a", 0, ours)], [entry("b", 0, theirs)], SETTINGS)
    assert once is not None
    assert width(lambda _: np.arange(40)) == pytest.approx(once.high - once.low)
    assert width(lambda seed: 40 * seed + np.arange(40)) < 0.8 * width(lambda _: np.arange(40))


def test_only_seeds_that_both_have_are_compared():
    """A method that was measured under fewer seeds is compared on these."""
    found = compare([entry("a", 1, [0.6])], [entry("b", 0, [0.1]), entry("b", 1, [0.3])], SETTINGS)
    assert found is not None
    assert found.ratio == pytest.approx(2.0)
    assert compare([entry("a", 2, [0.6])], [entry("b", 0, [0.1])], SETTINGS) is None


def test_nothing_is_divided_by_nothing():
    """Against a method that finds nothing there is no ratio."""
    found = compare([entry("a", 0, [0.6])], [entry("b", 0, [0.0])], SETTINGS)
    assert found is not None
    assert found.ratio is None


def test_rivals_know_as_much_and_the_best_comes_first():
    """Models and baselines of other scenarios are no rivals, those with facts only where they are asked for."""
    entries = [
        entry("low", 0, [0.1]),
        entry("high", 0, [0.3]),
        entry("facts", 0, [0.5], facts=True),
        entry("model", 0, [0.9], kind="model"),
        entry("elsewhere", 0, [0.8], scenario="item cold"),
    ]
    places = by_place(entries)
    assert rivals(places, "warm", facts=False) == ["high", "low"]
    assert rivals(places, "warm", facts=True) == ["facts", "high", "low"]


def test_groups_have_the_means_of_their_users_and_are_large_enough():
    """Each group's mean is over its own queries; a group of few is left out."""
    few = LEAST_MEMBERS - 5
    sexes = ["F"] * 30 + ["M"] * 40 + ["X"] * few
    users = [UserRecord(str(row), {"sex": sex}) for row, sex in enumerate(sexes)]
    values = np.linspace(0, 1, len(sexes))
    found = groups([entry("a", 0, values)], users)
    assert {one.group for one in found} == {"F", "M"}
    assert next(one.ndcg_at_10 for one in found if one.group == "M") == pytest.approx(values[30:70].mean())
    twice = groups([entry("a", seed, values) for seed in (0, 1)], users)
    assert {one.queries for one in twice if one.group == "X"} == {2 * few}


@pytest.mark.parametrize(
    "wrong", [{"seeds": ()}, {"seeds": (1, 1)}, {"seeds": (-1,)}, {"known": ()}, {"level": 1.0}, {"samples": 0}]
)
def test_a_setting_out_of_its_range_is_refused(wrong):
    """The error names the setting."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replace(SETTINGS, **wrong)
