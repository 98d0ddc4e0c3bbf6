"""The first places of a ranking, beside a ranking that is sorted whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emberline.export.evaluation.evaluation import evaluate, ndcg_at
from emberline.export.evaluation.ranking import first_places, place_of_first
from emberline.export.evaluation.scenarios import Scenario


def _sorted(scores: np.ndarray, keys: np.ndarray) -> list[list[int]]:
    """Of each row, the columns above −∞ from the first to the last."""
    return [
        [int(column) for column in np.lexsort((key, -row)) if row[column] > -np.inf]
        for row, key in zip(scores, keys, strict=True)
    ]


def _drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many that are equal and some at −∞, and keys."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (6, 12)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    return scores, rng.random(scores.shape, dtype=np.float32)


@given(seed=st.integers(0, 2**32), width=st.integers(1, 15))
def test_the_first_places_are_those_of_the_whole_ranking(seed: int, width: int) -> None:
    """Equal scores are ordered by their keys, what is at −∞ is never shown."""
    scores, keys = _drawn(seed)
    found = first_places(scores, keys, width)
    for row, whole in zip(found.tolist(), _sorted(scores, keys), strict=True):
        assert row == (whole + [-1] * 12)[: min(width, 12)]


@given(seed=st.integers(0, 2**32))
def test_the_first_of_those_that_are_right_has_its_place(seed: int) -> None:
    """As in the whole ranking, where some are right in every row."""
    scores, keys = _drawn(seed)
    scores[:, 5] = 1.0
    right = np.random.default_rng(seed + 1).random(scores.shape) < 0.2
    right[:, 5] = True
    right &= scores > -np.inf
    found = place_of_first(scores, keys, right)
    for place, row, whole in zip(found.tolist(), right, _sorted(scores, keys), strict=True):
        assert place == min(whole.index(column) for column in np.flatnonzero(row))


def test_ndcg_alone_is_that_of_the_whole_evaluation() -> None:
    """Settings are chosen by the figure that is told in the end, ties included."""
    rng = np.random.default_rng(0)
    nothing = np.empty(0, dtype=np.int64)
    scenario = Scenario(
        name="made up",
        users=np.arange(40),
        history=(nothing,) * 40,
        known=tuple(np.sort(rng.choice(10, 3, replace=False)) for _ in range(40)),
        relevant=tuple(np.sort(10 + rng.choice(20, 4, replace=False)) for _ in range(40)),
        candidates=np.arange(30),
    )
    scores = rng.integers(0, 3, (40, 30)).astype(np.float32)
    assert np.array_equal(ndcg_at(scenario, scores, 10), evaluate(scenario, scores, (10, 20)).ndcg[10])
