"""Ranking metrics over full rankings with relevant and irrelevant candidates, one value a query.

All take `hits`: (Q, K) whether the candidate at each place of a ranking, best first, is relevant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def recall(hits: NDArray[np.bool_], relevant: NDArray[np.int64], k: int) -> Values:
    """The share of the relevant candidates that are among the first k.

    Args:
        hits: (Q, K), K at least k or all candidates.
        relevant: (Q,) how many candidates are relevant, at least 1.
        k: the cut-off.

    Returns:
        (Q,).
    """
    return np.asarray(hits[:, :k].sum(axis=1) / relevant, dtype=np.float64)


def ndcg(hits: NDArray[np.bool_], relevant: NDArray[np.int64], k: int) -> Values:
    """The normalised discounted cumulative gain of the first k, gains being 1 (Järvelin and Kekäläinen, 2002).

    Arguments and result are those of `recall`.
    """
    width = min(k, hits.shape[1])
    return np.asarray(hits[:, :width] @ discounts(width) / ideal(relevant, width), dtype=np.float64)


def discounts(width: int) -> Values:
    """(width,) what a hit at each place gains."""
    return np.asarray(1 / np.log2(np.arange(2, width + 2)), dtype=np.float64)


def ideal(relevant: NDArray[np.int64], width: int) -> Values:
    """(Q,) the most that the first places can gain, of (Q,) numbers of relevant candidates, at least 1 each."""
    return np.asarray(np.cumsum(discounts(width))[np.minimum(relevant, width) - 1], dtype=np.float64)


def coverage(exposure: NDArray[np.int64]) -> float:
    """The share of the candidates that are shown at all.

    Args:
        exposure: (C,) how often each is shown.
    """
    return float((exposure > 0).mean())


def gini(exposure: NDArray[np.int64]) -> float:
    """How unevenly candidates are shown: 0 when all are shown alike, towards 1 when one is shown alone.

    Args:
        exposure: (C,) how often each is shown; not all 0.
    """
    ascending = np.sort(exposure)
    count = len(ascending)
    weights = 2 * np.arange(1, count + 1) - count - 1
    return float(weights @ ascending / (count * ascending.sum()))
