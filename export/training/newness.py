"""One ranking for known and for new items: by how much new items' scores have to be raised or lowered.

An item that nobody met is scored by its text, with less to go by than a known one, and what a text foresees is drawn
towards the mean: at the top of a list, new items would be missing. They get as many places there as they get likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .examples import Examples, Floats, Indexes

#: Places of a list that are counted.
PLACES: Final = 10
#: Users who are asked, at most.
ASKED: Final = 1000
#: Halvings of the range in which the offset is sought.
HALVINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Shelf:
    """What some users could be shown, had nobody met the items aside.

    Attributes:
        known: (U, n) scores of the known items; those aside, and what a user has met, are at −∞.
        new: (U, a) scores of the items aside.
        share: of the new items among the likes to come.
    """

    known: Floats
    new: Floats
    share: float

    def places(self, offset: float) -> float:
        """The share of the first places that new items get, their scores being raised by an offset."""
        new = np.sort(self.new, axis=1)[:, ::-1][:, :PLACES] + offset
        known = -np.partition(-self.known, PLACES - 1, axis=1)[:, :PLACES]
        both = np.concatenate([known, new], axis=1)
        last = -np.partition(-both, PLACES - 1, axis=1)[:, PLACES - 1 : PLACES]
        return float(((new >= last).sum(axis=1) / PLACES).mean())

    def offset(self) -> float:
        """The offset by which new items get the share of the places that they have of the likes."""
        spread = float(self.known.max() - self.new.min()) + 1.0
        low, high = -spread, spread
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.places(middle) < self.share else (low, middle)
        return (low + high) / 2


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
    left = np.where(is_aside, -np.inf, known).astype(np.float32)
    counts = np.zeros(2)
    for row, user in enumerate(users):
        left[row, examples.rated[user]] = -np.inf
        later = examples.later[user]
        counts += is_aside[examples.likes[user]].sum(), (~is_aside[later]).sum()
    if not counts.all():
        return None
    floor = np.where(np.isfinite(left), left, np.inf).min()
    finite: NDArray[np.float32] = np.where(np.isfinite(left), left, floor - 1e3).astype(np.float32)
    return Shelf(finite, new.astype(np.float32), float(counts[0] / counts.sum()))
