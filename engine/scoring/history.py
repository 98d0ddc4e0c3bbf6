"""A history as the user tower reads it."""

from __future__ import annotations

import numpy as np

from emberline.engine.records import Floats


def pool(items: Floats, factors: int = 0, ridge: float = 0.0) -> Floats:
    """Pool the vectors of the items that a user likes, (D,).

    The mean of the vectors; the last numbers, if they are factors, are folded in as alternating least squares does it
    (Hu, Koren and Volinsky, ICDM 2008): several similar items say less than as many different ones.

    Args:
        items: (N, D) `item_embedding` of the items, at least one.
        factors: F, how many numbers at the end are factors, in axes in which those of all items together are white.
        ridge: weight of what an item has in common with the others.
    """
    pooled: Floats = items.mean(axis=0)
    if factors:
        liked = items[:, -factors:].astype(np.float64)  # (N, F)
        if len(liked) > factors:
            folded = np.linalg.solve(np.eye(factors) + ridge * (liked.T @ liked), liked.sum(axis=0))
        else:
            weights = np.linalg.solve(np.eye(len(liked)) + ridge * (liked @ liked.T), np.ones(len(liked)))
            folded = weights @ liked
        pooled[-factors:] = folded
    return pooled
