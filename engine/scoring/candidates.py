"""Candidates: the rows whose scores a ranking compares, out of all that a request allows."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.catalogue.columns import Mask
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.records import Floats

#: Rows up to which all allowed ones are compared: there an exact search is as fast as the index.
_EXACT: Final = 20_000
#: Candidates for each row that is asked for, and at least this many in all.
_PER_ROW: Final = 4
_LEAST: Final = 40
#: Rows that one search of the index may look for. Beyond it an exact search is as fast.
_MOST: Final = 5_000
#: Rows behind the index that are compared one by one.
_BEHIND: Final = 50_000


def best_candidates(
    snapshot: Snapshot, query: Floats, allowed: Mask, count: int, offsets: Floats | None = None
) -> tuple[NDArray[np.int64], Floats, int]:
    """Return rows among which are those with the highest scores.

    The scores are exact. Which rows are found is exact, too, unless the catalogue has an index and most rows are
    allowed; a filter that allows few is answered exactly, and so are offsets, of which the index knows nothing.

    Args:
        snapshot: the catalogue.
        query: (D,) the user's vector, divided by the temperature.
        allowed: (R,) the rows that may be returned.
        count: number of rows that are needed.
        offsets: (R,) what is added to the scores; None: nothing.

    Returns:
        The candidates (C,), their scores (C,), and the number of allowed rows.
    """
    passed = int(np.count_nonzero(allowed))
    biases = snapshot.biases if offsets is None else snapshot.biases + offsets
    indexed = offsets is None and bool(snapshot.contents.neighbours.covered)
    rows = None
    if indexed and passed > _EXACT:
        rows = _approximate(snapshot, query, allowed, passed, min(count, passed))
    if rows is None:
        rows = np.flatnonzero(allowed)
        if not indexed or passed > _EXACT:
            return rows, (snapshot.vectors @ query + biases)[rows], passed
    return rows, snapshot.vectors[rows] @ query + biases[rows], passed


def _approximate(snapshot: Snapshot, query: Floats, allowed: Mask, passed: int, count: int) -> NDArray[np.int64] | None:
    """Return candidates by the index; None if it does not find enough."""
    length, covered = len(allowed), snapshot.contents.neighbours.covered
    behind = covered + np.flatnonzero(allowed[covered:])
    if len(behind) > _BEHIND:
        return None
    wanted = max(_PER_ROW * count, _LEAST)
    asked = math.ceil(wanted * length / passed)
    while asked <= _MOST:
        rows = snapshot.contents.neighbours.search(query, asked)
        rows = rows[rows < min(length, covered)]
        rows = rows[allowed[rows]]
        if len(rows) >= wanted:
            return np.concatenate([rows, behind])
        asked *= 4
    return None
