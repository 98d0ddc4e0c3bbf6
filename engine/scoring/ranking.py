"""Which items of the catalogue come first for a user: exact search, filters, exclusions, diversity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.catalogue.columns import Mask
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.errors import InvalidInput
from emberline.engine.records import Filter, Floats, RecommendRequest

#: Diversity chooses among the best: a pool of this many for each item asked for, and at least so many. A larger pool
#: lets in items that the user hardly likes, and costs time.
_POOL_SHARE: Final = 4
_POOL_LEAST: Final = 100


@dataclass(frozen=True, slots=True)
class RankedRows:
    """The best items for a user, best first.

    Attributes:
        rows: (K,) in the snapshot; fewer than were asked for if fewer were left.
        scores: (K,) the ranking score of each.
        considered: how many items were left after filters and exclusions.
    """

    rows: NDArray[np.int64]
    scores: Floats
    considered: int


def rank(
    snapshot: Snapshot, user_vector: Floats, temperature: float, work: RecommendRequest, history: Sequence[int] = ()
) -> RankedRows:
    """Rank the catalogue for a user by ``s(u, i) = z_u·z_i / τ + b_i``.

    Equal scores are ranked in the order in which the items were first inserted, so a ranking is the same every time.

    Args:
        snapshot: the catalogue.
        user_vector: (D,) z_u.
        temperature: τ.
        work: how many, which, how diverse. Ids to exclude that the catalogue does not have exclude nothing.
        history: the rows of the user's history; left out unless the work includes them.

    Raises:
        InvalidInput: k, diversity or a filter is not meaningful, a filter names a field that no item has, or the user's
            vector is not finite.
    """
    _check(work, user_vector)
    allowed = _allowed(snapshot, work, history)
    candidates = np.flatnonzero(allowed)  # (C,)
    scores = snapshot.vectors @ (user_vector / np.float32(temperature)) + snapshot.biases  # (R,)
    wanted = min(work.k, len(candidates))
    if work.diversity == 0.0:
        rows = _best(candidates, scores, snapshot.order, wanted)
    else:
        pool = _best(candidates, scores, snapshot.order, min(max(_POOL_SHARE * wanted, _POOL_LEAST), len(candidates)))
        rows = pool[_diverse(snapshot.vectors[pool], scores[pool], wanted, work.diversity)]
    return RankedRows(rows, scores[rows], len(candidates))


def _check(work: RecommendRequest, user_vector: Floats) -> None:
    if work.k < 1:
        raise InvalidInput("k", f"is {work.k}; ask for at least 1 item")
    if not 0.0 <= work.diversity <= 1.0:
        raise InvalidInput("diversity", f"is {work.diversity}; it lies between 0 (by score alone) and 1")
    if not np.isfinite(user_vector).all():
        raise InvalidInput("user", "has no finite vector; see to the size of the numbers in the history's vectors")


def _allowed(snapshot: Snapshot, work: RecommendRequest, history: Sequence[int]) -> Mask:
    """(R,) the living rows that filters and exclusions leave."""
    allowed = snapshot.live.copy()
    for index, wanted in enumerate(work.filters):
        allowed &= _kept(snapshot, wanted, f"filters[{index}]")
    excluded = [row for row in map(snapshot.position, work.exclude_ids) if row is not None]
    if not work.include_history:
        excluded += history
    allowed[excluded] = False
    return allowed


def _kept(snapshot: Snapshot, wanted: Filter, name: str) -> Mask:
    low, high = wanted.minimum, wanted.maximum
    if not wanted.any_of and low is None and high is None:
        raise InvalidInput(name, "asks for nothing; give it any_of, minimum or maximum")
    if any(bound is not None and math.isnan(bound) for bound in (low, high)):
        raise InvalidInput(name, "has a bound that is not a number")
    if low is not None and high is not None and low > high:
        raise InvalidInput(name, f"has minimum {low:g} above maximum {high:g}; no number lies between them")
    rows = len(snapshot.live)
    column = snapshot.contents.columns.column(wanted.field, rows)
    if not len(column.rows) and len(snapshot):
        fields = snapshot.contents.columns.fields(rows)
        if wanted.field not in fields:
            known = ", ".join(sorted(fields)) or "none"
            raise InvalidInput(f"{name}.field", f"no item has an attribute {wanted.field!r}; their attributes: {known}")
    return column.matches(wanted, rows) ^ wanted.exclude


def _best(candidates: NDArray[np.int64], scores: Floats, order: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """(k,) the candidates with the highest scores, equal ones in the catalogue's order."""
    among = scores[candidates]
    if k < len(candidates):
        bound = np.partition(among, len(among) - k)[len(among) - k]  # the k-th best score
        candidates = candidates[np.flatnonzero(among >= bound)]
        among = scores[candidates]
    # With ties for the last places more than k are left here.
    return candidates[np.lexsort((order[candidates], -among))[:k]]


def _diverse(vectors: Floats, scores: Floats, k: int, diversity: float) -> NDArray[np.int64]:
    """Choose k of a pool by maximal marginal relevance.

    Each choice is the item with the highest ``(1 - d)·relevance - d·(cosine to the nearest item chosen so far)``.
    The relevance is the score, scaled to 0…1 over the pool, because scores have no fixed scale and cosines do.
    Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking …", SIGIR 1998.

    Args:
        vectors: (P, D) of the pool, best first.
        scores: (P,).
        k: at most P.
        diversity: d, above 0 and up to 1.

    Returns:
        (k,) indices into the pool, in the order of choice; the best item is the first.
    """
    spread = float(scores[0] - scores[-1]) if len(scores) else 0.0
    relevance = (scores - scores[-1]) / spread if spread > 0.0 else np.zeros_like(scores)
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    nearest = np.full(len(scores), -1.0, np.float32)  # to what is chosen; -1 is the least a cosine can be
    chosen = np.zeros(k, np.int64)
    for place in range(k):
        if place:
            value = (1.0 - diversity) * relevance - diversity * nearest
            value[chosen[:place]] = -np.inf
            chosen[place] = np.argmax(value)
        nearest = np.maximum(nearest, directions @ directions[chosen[place]])
    return chosen
