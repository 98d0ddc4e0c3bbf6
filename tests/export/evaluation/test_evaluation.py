"""Scores of a scenario, ranked and judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from emberline.engine.errors import DataError, InvalidInput
from emberline.export.evaluation import evaluation
from emberline.export.evaluation.evaluation import best_among, evaluate
from emberline.export.evaluation.scenarios import Scenario


def _scenario(known: list[list[int]], relevant: list[list[int]], candidates: list[int]) -> Scenario:
    return Scenario(
        name="made up",
        users=np.arange(len(known)),
        history=tuple(np.empty(0, dtype=np.int64) for _ in known),
        known=tuple(np.array(items, dtype=np.int64) for items in known),
        relevant=tuple(np.array(items, dtype=np.int64) for items in relevant),
        candidates=np.array(candidates, dtype=np.int64),
    )


def _random(seed: int, queries: int, candidates: int) -> Scenario:
    rng = np.random.default_rng(seed)
    pool = np.sort(rng.choice(10 * candidates, candidates, replace=False))
    known, relevant = [], []
    for _ in range(queries):
        mixed = rng.permutation(pool)
        cut = int(rng.integers(0, candidates - 1))
        known.append(mixed[:cut].tolist())
        relevant.append(mixed[cut : cut + int(rng.integers(1, candidates - cut))].tolist())
    return _scenario(known, relevant, pool.tolist())


@given(seed=st.integers(0, 2**32), k=st.integers(1, 12))
def test_metrics_leave_known_candidates_out(seed: int, k: int) -> None:
    """The value is scikit-learn's over the candidates that are not known, and no known one is ever shown."""
    scenario = _random(seed, 4, 9)
    scores = np.random.default_rng(seed).permuted(np.tile(np.arange(9.0), (4, 1)), axis=1)
    found = evaluate(scenario, scores, ks=(k,))
    for query in range(4):
        left = ~np.isin(scenario.candidates, scenario.known[query])
        right = np.isin(scenario.candidates[left], scenario.relevant[query])
        if left.sum() > 1:  # scikit-learn refuses a single candidate
            expected = ndcg_score([right], [scores[query][left]], k=k, ignore_ties=True)
            assert found.ndcg[k][query] == pytest.approx(expected)
        best = scenario.candidates[left][np.argsort(-scores[query][left])][:k]
        assert found.top[query].tolist() == best.tolist() + [-1] * (min(k, 9) - len(best))
        assert found.recall[k][query] == pytest.approx(np.isin(best, scenario.relevant[query]).sum() / right.sum())


def test_a_perfect_and_a_wrong_model() -> None:
    """Scores that put what is right first earn 1 everywhere; scores that put it last earn nothing."""
    scenario = _scenario([[1], []], [[5, 9], [1]], [1, 5, 7, 9])
    right = np.array([[9, 5, 0, 4], [8, 2, 1, 0]], dtype=np.float32)
    best, worst = evaluate(scenario, right, ks=(2,)).means(), evaluate(scenario, -right, ks=(1,)).means()
    assert (best["ndcg@2"], best["recall@2"], best["mrr"]) == (1.0, 1.0, 1.0)
    assert (worst["ndcg@1"], worst["recall@1"], worst["mrr"]) == (0.0, 0.0, pytest.approx((1 / 2 + 1 / 4) / 2))


def test_coverage_and_gini_count_what_is_shown() -> None:
    """A model that shows the same item to everybody covers little, and its exposure is as uneven as can be."""
    scenario = _scenario([[]] * 4, [[0]] * 4, [0, 1, 2, 3])
    means = evaluate(scenario, np.tile([4.0, 3.0, 2.0, 1.0], (4, 1)), ks=(1, 4)).means()
    assert (means["coverage@1"], means["gini@1"]) == (0.25, 0.75)
    assert (means["coverage@4"], means["gini@4"]) == (1.0, 0.0)


def test_the_places_that_new_items_get_are_counted() -> None:
    """Beside their share of what is right; places that stay empty count for nobody."""
    scenario = replace(_scenario([[0], []], [[2], [1, 3]], [0, 1, 2, 3]), new=np.array([False, False, True, True]))
    scores = np.array([[4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 2.0, 1.0]])
    means = evaluate(scenario, scores, ks=(1, 4)).means()
    assert (means["new_places@1"], means["new_places@4"]) == (0.0, pytest.approx(4 / 7))
    assert means["new_likes"] == pytest.approx(2 / 3)
    assert "new_likes" not in evaluate(replace(scenario, new=None), scores).means()


def test_the_best_among_some_candidates() -> None:
    """The highest scores of those that count, with what is right; where fewer are left than wanted, −∞."""
    scenario = _scenario([[1], []], [[2], [3]], [0, 1, 2, 3])
    scores = np.array([[4.0, 3.0, 2.0, 1.0], [4.0, 3.0, 5.0, 7.0]])
    values, hits = best_among(scenario, scores, np.array([False, True, True, False]), 2)
    assert values.tolist() == [[2.0, -np.inf], [5.0, 3.0]]
    assert hits.tolist() == [[True, False], [False, False]]


def test_equal_scores_earn_a_random_ranking() -> None:
    """A model that cannot tell items apart earns what chance earns, wherever the relevant items stand, every time."""
    scenario = _scenario([[]] * 2000, [[0, 1]] * 2000, list(range(50)))
    first, again = (evaluate(scenario, np.zeros((2000, 50)), ks=(10,)) for _ in range(2))
    assert first.means()["recall@10"] == pytest.approx(10 / 50, abs=0.02)
    assert np.array_equal(first.top, again.top)


def test_the_size_of_chunks_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries ranked in several parts give the same values, ties included."""
    scenario = _random(1, 20, 15)
    scores = np.random.default_rng(1).integers(0, 3, (20, 15)).astype(np.float32)
    whole = evaluate(scenario, scores, ks=(5,))
    monkeypatch.setattr(evaluation, "CHUNK", 50)
    parts = evaluate(scenario, scores, ks=(5,))
    assert np.array_equal(whole.top, parts.top)
    assert whole.means() == parts.means()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    """A score that is not a finite number is refused and named: it would be ranked somewhere."""
    scores = np.zeros((2, 4))
    scores[1, 2] = bad
    with pytest.raises(InvalidInput, match=r"scores: hold .* for query 1, candidate 2 of 'made up'"):
        evaluate(_scenario([[], []], [[1], [1]], [1, 5, 7, 9]), scores)


def test_scores_of_another_shape_are_refused() -> None:
    """Scores that do not fit the scenario are refused with both shapes."""
    with pytest.raises(InvalidInput, match=r"the shape \(4, 2\); the scenario 'made up' needs \(2, 4\)"):
        evaluate(_scenario([[], []], [[1], [1]], [1, 5, 7, 9]), np.zeros((4, 2)))


def test_a_scenario_without_a_query_is_refused() -> None:
    """A scenario in which nobody asks is refused: its mean would be a NaN."""
    with pytest.raises(DataError, match="the scenario 'made up' has no query"):
        _scenario([], [], [1])
