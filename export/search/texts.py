"""The texts on which a search measures: neither calibration nor the gate reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.errors import DataError
from emberline.export.gate.holdout import HoldoutSet

#: The most queries; with so many, agreement is known to about 0.004.
_QUERIES: Final = 320
#: At most one item in so many is a query, so that calibration keeps most of the data.
_SHARE: Final = 4
#: The most items among which neighbours are found; encoding them is most of the time of a trial.
_POOL: Final = 1400
#: The fewest queries; with less, agreement is a matter of chance.
_FEWEST: Final = 8


@dataclass(frozen=True, slots=True)
class SearchTexts:
    """The texts of a search.

    Attributes:
        pool: texts of items; neighbours are found among all of them, as in the gate.
        queries: how many of them, from the first, are queries; calibration must not read these.
        calibration: the texts that calibration may read.
    """

    pool: tuple[str, ...]
    queries: int
    calibration: tuple[str, ...]

    @classmethod
    def of(cls, holdout: HoldoutSet) -> SearchTexts:
        """Divide the texts that the gate does not measure; the same for the same holdout set.

        Raises:
            DataError: the data set has too few items to measure on.
        """
        seen = holdout.seen_texts()
        items = sorted(set(seen).intersection(holdout.dataset.item_texts()))
        queries = min(_QUERIES, len(items) // _SHARE)
        if queries < _FEWEST:
            raise DataError(
                f"a search needs {_FEWEST * _SHARE} items that training has seen, and the data has {len(items)}; "
                "export without --objective"
            )
        order = np.random.default_rng(0).permutation(len(items))[:_POOL]
        pool = tuple(items[row] for row in order)
        measured = set(pool[:queries])
        return cls(pool, queries, tuple(text for text in seen if text not in measured))
