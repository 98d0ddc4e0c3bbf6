"""Metrics against scikit-learn and against their definitions, spelt out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from emberline.export.evaluation.metrics import coverage, gini, ndcg, recall


@pytest.fixture(scope="module")
def rankings() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores without ties, what is relevant (each query has something), and the hits in the scores' order."""
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(40.0), (200, 1)), axis=1)
    relevant = rng.random((200, 40)) < rng.random((200, 1))
    relevant[np.arange(200), rng.integers(0, 40, 200)] = True
    hits = np.take_along_axis(relevant, np.argsort(-scores, axis=1), axis=1)
    return scores, relevant, hits


@pytest.mark.parametrize("k", [1, 5, 10, 40, 100])
def test_ndcg_is_scikit_learns(rankings: tuple[np.ndarray, np.ndarray, np.ndarray], k: int) -> None:
    """NDCG at any cut-off, beyond all candidates too, is scikit-learn's."""
    scores, relevant, hits = rankings
    found = ndcg(hits, relevant.sum(axis=1), k)
    for query in range(len(scores)):
        expected = ndcg_score(relevant[[query]], scores[[query]], k=k, ignore_ties=True)
        assert found[query] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 5, 10, 40, 100])
def test_recall(rankings: tuple[np.ndarray, np.ndarray, np.ndarray], k: int) -> None:
    """Recall is what its definition says."""
    scores, relevant, hits = rankings
    shares = recall(hits, relevant.sum(axis=1), k)
    for query in range(len(scores)):
        right = set(np.flatnonzero(relevant[query]))
        best = np.argsort(-scores[query]).tolist()
        assert shares[query] == pytest.approx(len(right & set(best[:k])) / len(right))


@pytest.mark.parametrize(
    ("exposure", "expected"), [([5, 5, 5, 5], 0.0), ([0, 0, 0, 9], 0.75), ([3, 1], 0.25), ([0, 1, 2, 3], 5 / 12)]
)
def test_gini(exposure: list[int], expected: float) -> None:
    """The Gini coefficient is half the mean absolute difference, relative to the mean."""
    shown = np.array(exposure)
    pairs = np.abs(shown[:, None] - shown[None, :]).mean() / (2 * shown.mean())
    assert gini(shown) == pytest.approx(expected)
    assert gini(shown) == pytest.approx(pairs)


def test_coverage() -> None:
    """Coverage is the share of candidates that are shown at all."""
    assert coverage(np.array([0, 1, 7, 0])) == 0.5
