"""One ranking for known and for new items: by how much new items' scores have to be raised or lowered.

An item that nobody met is scored by its text, with less to go by than a known one, and what a text foresees is drawn
towards the mean: at the top of a list, new items would be missing. The offset is the one by which the list finds most
of the likes to come, while new items get about as many of its places as they have of these likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.export.evaluation.metrics import ndcg
from emberline.export.evaluation.ranking import highest

from .examples import Examples, Floats, Indexes

#: Places of a list that are counted.
PLACES: Final = 10
#: Users who are asked, at most.
ASKED: Final = 1000
#: Halvings of the range in which an offset is sought.
HALVINGS: Final = 20
#: Shares of the places that are tried, beside new items' share of the likes to come: from half of it to twice, with a
#: margin, since what is found on items aside is never quite right for others.
SHARES: Final = (1.0, 0.6, 0.7, 0.85, 1.2, 1.45, 1.7)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What some users could be shown, had nobody met the items aside.

    Attributes:
        known: (U, p) the best scores of known items that a user has not met, best first.
        new: (U, q) those of the items aside.
        known_right: (U, p) which of them are likes to come.
        new_right: (U, q) likewise.
        relevant: (U,) likes to come of each user, known and new.
        share: of the new items among the likes to come.
    """

    known: Floats
    new: Floats
    known_right: NDArray[np.bool_]
    new_right: NDArray[np.bool_]
    relevant: Indexes
    share: float

    def places(self, offset: float) -> float:
        """The share of the first places that new items get, their scores being raised by an offset."""
        return float((self._order(offset) >= self.known.shape[1]).mean())

    def ndcg(self, offset: float) -> float:
        """NDCG@10 of the users who have likes to come, new items' scores being raised by an offset."""
        asked = self.relevant > 0
        right = np.concatenate([self.known_right, self.new_right], axis=1)
        hits = np.take_along_axis(right, self._order(offset), axis=1)
        return float(ndcg(hits[asked], self.relevant[asked], PLACES).mean())

    def offset_for(self, share: float) -> float:
        """The offset by which new items get a share of the places."""
        spread = float(self.known.max() - self.new.min()) + 1.0
        low, high = -spread, spread
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.places(middle) < share else (low, middle)
        return (low + high) / 2

    def offset(self) -> float:
        """The offset by which most is found; of equal ones, that by which new items get the share of the likes."""
        return max((self.offset_for(min(1.0, times * self.share)) for times in SHARES), key=self.ndcg)

    def _order(self, offset: float) -> Indexes:
        """(U, PLACES) what stands at the first places: below p a known item, from p on a new one."""
        both = np.concatenate([self.known, self.new + np.float32(offset)], axis=1)
        return np.argsort(-both, axis=1, kind="stable")[:, :PLACES]


def shelf(examples: Examples, users: Indexes, known: Floats, new: Floats, aside: Indexes) -> Shelf | None:
    """Lay out what users could be shown; None where there are too few items, or no likes to come to compare with.

    Args:
        examples: who likes what; of known items, likes to come are those of `later`.
        users: U trained users.
        known: (U, n) scores of all items as they are known.
        new: (U, a) scores of the items aside as new ones.
        aside: which they are.
    """
    if min(len(aside), known.shape[1] - len(aside)) <= PLACES:
        return None
    is_aside = np.zeros(known.shape[1], dtype=np.bool_)
    is_aside[aside] = True
    left = np.where(is_aside, -np.inf, known)
    later, liked = np.zeros(known.shape, dtype=np.bool_), np.zeros(known.shape, dtype=np.bool_)
    for row, user in enumerate(users):
        left[row, examples.rated[user]] = -np.inf
        later[row, examples.later[user]] = True
        liked[row, examples.likes[user]] = True
    later &= ~is_aside
    to_come = liked[:, aside]
    counts = int(to_come.sum()), int(later.sum())
    if not all(counts):
        return None
    floor = np.where(np.isfinite(left), left, np.inf).min()
    best, right = _best(np.where(np.isfinite(left), left, floor - 1e3).astype(np.float32), later)
    new_best, new_right = _best(new, to_come)
    relevant = np.asarray(to_come.sum(axis=1) + later.sum(axis=1), dtype=np.int64)
    return Shelf(best, new_best, right, new_right, relevant, counts[0] / sum(counts))


def _best(scores: Floats, right: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """(U, PLACES) the best scores, best first, and which of them are right."""
    columns = highest(scores, PLACES)
    found = np.take_along_axis(scores, columns, axis=1).astype(np.float32)
    return found, np.take_along_axis(right, columns, axis=1)
