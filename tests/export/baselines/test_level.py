"""New items' level in one ranking."""

from __future__ import annotations

import numpy as np
import pytest

from emberline.export.baselines.level import UNMOVED, NewItemLevel, best_level
from emberline.export.evaluation.evaluation import ndcg_at
from emberline.export.evaluation.scenarios import Scenario

KNOWN, NEW, QUERIES = 300, 200, 50


def _ranking(shift: float, scale: float) -> tuple[Scenario, np.ndarray]:
    """Scores by which the right ones come first, but for those of new items, which are shrunk and shifted."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((QUERIES, KNOWN + NEW)).astype(np.float32)
    right = np.argsort(-scores, axis=1)[:, :10]
    new = np.arange(KNOWN + NEW) >= KNOWN
    scenario = Scenario(
        name="made up",
        users=np.arange(QUERIES),
        history=(np.array([0]),) * QUERIES,
        known=(np.empty(0, dtype=np.int64),) * QUERIES,
        relevant=tuple(np.sort(row) for row in right),
        candidates=np.arange(KNOWN + NEW),
        new=new,
    )
    size = rng.uniform(1, 10, (QUERIES, 1)).astype(np.float32)  # of a query's scores: long histories give high ones
    return scenario, size * np.where(new, scale * scores + shift, scores)


@pytest.mark.parametrize(("shift", "scale"), [(-3.0, 1.0), (5.0, 1.0), (0.0, 0.5), (0.0, 2.0)])
def test_a_wrong_level_is_put_right(shift, scale):
    """What a level spoils, another mends, whatever the size of a query's scores; and its worth is told."""
    scenario, scores = _ranking(shift, scale)
    level, value = best_level(scenario, scores, 10)
    assert value == pytest.approx(ndcg_at(scenario, level.of(scenario, scores), 10).mean())
    assert ndcg_at(scenario, scores, 10).mean() < 0.9
    assert value > 0.96


def test_a_right_level_stays():
    """Where nothing is to be gained, the scores are those of the baseline."""
    scenario, scores = _ranking(0.0, 1.0)
    level, value = best_level(scenario, scores, 10)
    assert level == UNMOVED
    assert value == pytest.approx(1.0)
    assert UNMOVED.of(scenario, scores) is scores


def test_a_level_moves_new_items_alone():
    """Known ones keep their scores, and new ones their order among themselves."""
    scenario, scores = _ranking(0.0, 1.0)
    moved = NewItemLevel(0.5, 2.0).of(scenario, scores)
    assert moved.dtype == scores.dtype
    assert np.array_equal(moved[:, :KNOWN], scores[:, :KNOWN])
    assert np.array_equal(np.argsort(moved[:, KNOWN:], axis=1), np.argsort(scores[:, KNOWN:], axis=1))
    assert not np.isclose(moved[:, KNOWN:], scores[:, KNOWN:]).all()


def test_scores_that_are_all_equal_can_be_leveled():
    """A baseline that knows nothing of new items, or of anybody, gives finite scores."""
    scenario, scores = _ranking(0.0, 1.0)
    for flat in (np.where(scenario.new, 0.0, scores).astype(np.float32), np.zeros_like(scores)):
        level, value = best_level(scenario, flat, 10)
        assert np.isfinite(level.of(scenario, flat)).all()
        assert value >= ndcg_at(scenario, flat, 10).mean()
