"""Which texts a search measures on: none that calibration reads, none that the gate asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.errors import DataError
from emberline.export.gate.holdout import HoldoutSet

#: Items that ask for their neighbours, at most; with these, agreement is known to about 0.004.
_QUERIES: Final = 320
#: One in so many of the items at most, so that calibration keeps most of the data.
_SHARE: Final = 4
#: Items among which neighbours are looked for, at most: reading them is most of a trial's time.
_POOL: Final = 1400
#: With fewer queries, agreement is a matter of chance.
_FEWEST: Final = 8


@dataclass(frozen=True, slots=True)
class SearchTexts:
    """The texts of a search.

    Attributes:
        pool: items' texts. Neighbours are looked for among all of them, as the gate does.
        queries: how many of them, the first, ask for their neighbours; calibration must not read these.
        calibration: what may be calibrated on.
    """

    pool: tuple[str, ...]
    queries: int
    calibration: tuple[str, ...]

    @classmethod
    def of(cls, holdout: HoldoutSet) -> SearchTexts:
        """Divide what the gate does not ask for; the same for the same holdout.

        Raises:
            DataError: there are too few items to measure anything.
        """
        seen = holdout.seen_texts()
        items = sorted(set(seen).intersection(holdout.dataset.item_texts()))
        queries = min(_QUERIES, len(items) // _SHARE)
        if queries < _FEWEST:
            raise DataError(
                f"a search needs {_FEWEST * _SHARE} items that training has seen, and the data has {len(items)}; "
                "export without --target"
            )
        order = np.random.default_rng(0).permutation(len(items))[:_POOL]
        pool = tuple(items[row] for row in order)
        asked = set(pool[:queries])
        return cls(pool, queries, tuple(text for text in seen if text not in asked))
