"""The first places of a ranking, found without sorting the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Keys = NDArray[np.float32]


def highest(scores: NDArray[np.floating], count: int) -> Positions:
    """(Q, min(count, C)) columns of the highest of (Q, C) scores, best first; which of equal ones, is left open."""
    count = min(count, scores.shape[1])
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def first_places(scores: NDArray[np.floating], keys: Keys, width: int) -> Positions:
    """(Q, min(width, C)) positions of the highest scores, best first; −1 where fewer are above −∞.

    Args:
        scores: (Q, C), −∞ for what must not be shown.
        keys: (Q, C) by which equal scores are ordered, the lowest first.
        width: how many.
    """
    width = min(width, scores.shape[1])
    found = np.full((len(scores), width), -1, dtype=np.int64)
    least = -np.partition(-scores, width - 1, axis=1)[:, width - 1]  # (Q,)
    row, column = np.nonzero((scores >= least[:, None]) & (scores > -np.inf))
    order = np.lexsort((keys[row, column], -scores[row, column], row))
    row, column = row[order], column[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)  # within the row
    shown = place < width
    found[row[shown], place[shown]] = column[shown]
    return found


def place_of_first(scores: NDArray[np.floating], keys: Keys, right: NDArray[np.bool_]) -> Positions:
    """(Q,) the place, from 0, of the first of the columns that are right; each row has one.

    Args:
        scores: (Q, C), −∞ for what must not be shown.
        keys: as of `first_places`.
        right: (Q, C).
    """
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)  # (Q, 1)
    equal = scores == best
    key = np.where(equal & right, keys, np.inf).min(axis=1, keepdims=True)
    ahead = (scores > best) | (equal & ~right & (keys < key))
    return np.asarray(ahead.sum(axis=1), dtype=np.int64)
