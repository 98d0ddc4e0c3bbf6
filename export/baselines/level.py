"""Where new items stand in one ranking with known ones: a scale and an offset of their scores.

A baseline scores known items by likes and new ones by what they say, and the two need not be comparable. Both numbers
are learnt where the baseline's settings are: within the training rows, on items that were put aside there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.export.evaluation.evaluation import best_among, ndcg_at
from emberline.export.evaluation.metrics import ndcg
from emberline.export.evaluation.scenarios import Scenario

#: Scales that are tried.
SCALES: Final = (1.0, 0.5, 2.0)
#: Offsets that are tried: at these quantiles of what a new item lacks to a place among the known ones.
QUANTILES: Final = (0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.98)
#: Times that the gaps beside the best offset are halved.
HALVINGS: Final = 3


@dataclass(frozen=True, slots=True)
class NewItemLevel:
    """A query's scores of new items, counted from the mean of its known items' in their deviations, × scale + offset.

    Attributes:
        scale: above 0; the order of new items among themselves stays.
        offset: in standard deviations of the query's scores of known items.
    """

    scale: float = 1.0
    offset: float = 0.0

    def of(self, scenario: Scenario, scores: NDArray[np.floating]) -> NDArray[np.floating]:
        """(Q, C) scores with those of new items moved.

        Args:
            scenario: ranks new items with known ones.
            scores: (Q, C).
        """
        if self == UNMOVED or scenario.new is None or scenario.new.all():
            return scores
        mean, deviation = _spread(scenario, scores)
        moved = mean + self.scale * (scores - mean) + self.offset * deviation
        return np.where(scenario.new, moved, scores).astype(scores.dtype, copy=False)


#: The scores as they are.
UNMOVED: Final = NewItemLevel()


def best_level(scenario: Scenario, scores: NDArray[np.floating], k: int) -> tuple[NewItemLevel, float]:
    """The level by which a ranking is worth most, and its NDCG@k; without a gain, the scores stay as they are.

    Args:
        scenario: ranks new items with known ones.
        scores: (Q, C) as they are.
        k: the cut-off.
    """
    whole = UNMOVED, float(ndcg_at(scenario, scores, k).mean())
    if scenario.new is None or scenario.new.all() or not scenario.new.any():
        return whole
    mean, deviation = _spread(scenario, scores)
    known, known_right = best_among(scenario, scores, ~scenario.new, k)
    new, new_right = best_among(scenario, scores, scenario.new, k)
    known, new = (known - mean) / deviation, (new - mean) / deviation
    right = np.concatenate([known_right, new_right], axis=1)
    relevant = np.asarray([len(items) for items in scenario.relevant])

    def worth(level: NewItemLevel) -> float:
        both = np.concatenate([known, level.scale * new + level.offset], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, :k]
        return float(ndcg(np.take_along_axis(right, order, axis=1), relevant, k).mean())

    best = max([UNMOVED, *(_best_offset(scale, known, new, worth) for scale in SCALES)], key=worth)
    value = float(ndcg_at(scenario, best.of(scenario, scores), k).mean())
    return (best, value) if value > whole[1] else whole


def _best_offset(
    scale: float,
    known: NDArray[np.floating],
    new: NDArray[np.floating],
    worth: Callable[[NewItemLevel], float],
) -> NewItemLevel:
    """The best level of a scale, given the first values of both kinds, (Q, k) each."""
    with np.errstate(invalid="ignore"):  # where neither is left
        lacking = known[:, ::3, None] - scale * new[:, None, ::3]
    there = lacking[np.isfinite(lacking)]
    if not len(there):
        return UNMOVED
    tried = {float(offset): worth(NewItemLevel(scale, float(offset))) for offset in np.quantile(there, QUANTILES)}
    for _ in range(HALVINGS):
        offsets = sorted(tried)
        place = offsets.index(max(offsets, key=tried.__getitem__))
        for other in (place - 1, place + 1):
            if 0 <= other < len(offsets):
                between = (offsets[place] + offsets[other]) / 2
                tried[between] = worth(NewItemLevel(scale, between))
    return NewItemLevel(scale, max(tried, key=tried.__getitem__))


def _spread(scenario: Scenario, scores: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """(Q, 1) mean and standard deviation of a query's scores of known items; 1 where all are equal."""
    assert scenario.new is not None
    known = scores[:, ~scenario.new]
    deviation = known.std(axis=1, keepdims=True)
    return known.mean(axis=1, keepdims=True), np.where(deviation > 0, deviation, 1.0).astype(scores.dtype)
