"""Ranking the catalogue for a user: search, filters, exclusions and diversity."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.catalogue.columns import Mask
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.errors import InvalidInput
from emberline.engine.records import Filter, Floats, RecommendRequest

from .candidates import best_candidates

#: Diversity selects from a pool of the best items: this many per requested item, and at least this many in all. A
#: larger pool lets in items that the user hardly likes, and costs time.
_POOL_PER_ITEM: Final = 4
_MIN_POOL: Final = 100
#: Rows whose lengths are computed at a time, which bounds the memory: 2 MB at D = 64.
_NORM_ROWS: Final = 8192
_NONE: Final = slice(0, 0)


@dataclass(frozen=True, slots=True)
class RankedRows:
    """The best items for a user, best first.

    Attributes:
        rows: (K,) rows in the snapshot; fewer than requested if fewer items were left.
        scores: (K,) ranking score of each item.
        considered: number of items left after filters and exclusions.
    """

    rows: NDArray[np.int64]
    scores: Floats
    considered: int


def rank(
    snapshot: Snapshot,
    user_vector: Floats,
    temperature: float,
    request: RecommendRequest,
    history: Sequence[int] = (),
    fields: Collection[str] = (),
    repeated: slice = _NONE,
    newness: Floats | None = None,
) -> RankedRows:
    """Rank the catalogue for a user by ``s(u, i) = z_u·z_i / τ + b_i``.

    Where new items are weighed, ``ln(w)·newness`` is added. The odds by which a list's softmax, ``exp(s)``, prefers a
    new item to a known one are then multiplied by the weight w.

    Equal scores are ranked in the order in which the items were first inserted, so a ranking is the same every time.

    Args:
        snapshot: the catalogue.
        user_vector: (D,) z_u.
        temperature: τ.
        request: k, filters, exclusions and diversity. Excluded ids that the catalogue does not have are ignored.
        history: rows of the user's history; left out unless the request includes them.
        fields: attributes of the model, which a filter may name whether an item has them or not.
        repeated: numbers of a vector that do not count in cosines; see `Manifest.repeated`.
        newness: (R,) how new each row's item is, from 0 to 1; None: new items are not weighed.

    Raises:
        InvalidInput: k, diversity or a filter is not meaningful, a filter names a field that neither an item nor the
            model has, or the user's vector is not finite.
    """
    _check(request, user_vector)
    left_out = () if request.include_history else history
    allowed = passing(snapshot, request.filters, request.exclude_ids, fields, left_out)
    needed = request.k if request.diversity == 0.0 else max(_POOL_PER_ITEM * request.k, _MIN_POOL)
    query = user_vector / np.float32(temperature)
    offsets = None if newness is None else np.float32(math.log(request.new_item_weight)) * newness
    candidates, scores, considered = best_candidates(snapshot, query, allowed, needed, offsets)
    chosen = _best(scores, snapshot.order[candidates], min(needed, len(candidates)))
    rows, scores = candidates[chosen], scores[chosen]
    if request.diversity > 0.0:
        vectors = _without(snapshot.vectors[rows], repeated)
        diverse = _diverse(vectors, scores, min(request.k, len(rows)), request.diversity)
        rows, scores = rows[diverse], scores[diverse]
    return RankedRows(rows, scores, considered)


def nearest(snapshot: Snapshot, vector: Floats, allowed: Mask, k: int, repeated: slice = _NONE) -> RankedRows:
    """Return the k allowed rows whose vectors have the highest cosine similarity to a vector (D,), best first.

    A vector of zeros has similarity 0 to all. Numbers that are `repeated` do not count; see `Manifest.repeated`.
    """
    candidates = np.flatnonzero(allowed)  # (C,)
    vector = vector.copy()
    vector[repeated] = 0.0
    length = float(np.linalg.norm(vector))
    products = snapshot.vectors @ (vector / np.float32(length or 1.0))  # (R,)
    lengths = np.ones(len(products), np.float32)
    for start in range(0, len(candidates), _NORM_ROWS):
        rows = candidates[start : start + _NORM_ROWS]
        lengths[rows] = np.linalg.norm(_without(snapshot.vectors[rows], repeated), axis=1)
    similarities: Floats = np.clip(products / np.maximum(lengths, np.float32(1e-12)), -1.0, 1.0).astype(np.float32)
    similarities = similarities[candidates]
    chosen = _best(similarities, snapshot.order[candidates], min(k, len(candidates)))
    return RankedRows(candidates[chosen], similarities[chosen], len(candidates))


def _check(request: RecommendRequest, user_vector: Floats) -> None:
    if request.k < 1:
        raise InvalidInput("k", f"is {request.k}; ask for at least 1 item")
    if not 0.0 <= request.diversity <= 1.0:
        raise InvalidInput("diversity", f"is {request.diversity}; it lies between 0 (by score alone) and 1")
    if not np.isfinite(user_vector).all():
        raise InvalidInput(
            "user", "has a vector that is not finite; check the size of the numbers in the history's vectors"
        )


def passing(
    snapshot: Snapshot,
    filters: Sequence[Filter],
    exclude_ids: Sequence[str],
    fields: Collection[str],
    rows: Sequence[int] = (),
) -> Mask:
    """Mark the live rows that pass filters and exclusions, (R,).

    Args:
        snapshot: the catalogue.
        filters: conditions, all of which must hold.
        exclude_ids: ids of items to leave out; unknown ones are ignored.
        fields: attributes of the model, which a filter may name whether an item has them or not.
        rows: further rows to leave out.

    Raises:
        InvalidInput: a filter is not meaningful, or names a field that neither an item nor the model has.
    """
    allowed = snapshot.live.copy()
    for index, condition in enumerate(filters):
        allowed &= _passing(snapshot, condition, f"filters[{index}]", fields)
    excluded = [row for row in map(snapshot.position, exclude_ids) if row is not None]
    allowed[[*excluded, *rows]] = False
    return allowed


def _passing(snapshot: Snapshot, condition: Filter, name: str, fields: Collection[str]) -> Mask:
    low, high = condition.minimum, condition.maximum
    if not condition.any_of and low is None and high is None:
        raise InvalidInput(name, "has no condition; give it any_of, minimum or maximum")
    if any(bound is not None and math.isnan(bound) for bound in (low, high)):
        raise InvalidInput(name, "has a bound that is not a number")
    if low is not None and high is not None and low > high:
        raise InvalidInput(name, f"has minimum {low:g} above maximum {high:g}; no number lies between them")
    rows = len(snapshot.live)
    column = snapshot.contents.columns.column(condition.field, rows)
    if not len(column.rows) and len(snapshot) and condition.field not in fields:
        stored = snapshot.contents.columns.fields(rows)
        if condition.field not in stored:
            known = ", ".join(sorted({*stored, *fields})) or "none"
            raise InvalidInput(
                f"{name}.field", f"no item has an attribute {condition.field!r}; their attributes: {known}"
            )
    return column.matches(condition, rows) ^ condition.exclude


def _best(scores: Floats, order: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the indices of the k highest scores (C,), equal ones by their sort keys (C,), best first, (k,)."""
    indices = np.arange(len(scores))
    if k < len(scores):
        bound = np.partition(scores, len(scores) - k)[len(scores) - k]  # the k-th best score
        indices = np.flatnonzero(scores >= bound)
    # Ties at the k-th score leave more than k here.
    return indices[np.lexsort((order[indices], -scores[indices]))[:k]]


def _without(vectors: Floats, repeated: slice) -> Floats:
    """Return vectors (N, D) without some of their numbers."""
    return vectors if repeated.start == repeated.stop else np.delete(vectors, repeated, axis=1)


def _diverse(vectors: Floats, scores: Floats, k: int, diversity: float) -> NDArray[np.int64]:
    """Select k items of a pool by maximal marginal relevance.

    Each step selects the item with the highest ``(1 - d)·relevance - d·(cosine to the nearest selected item)``. The
    relevance is the score, scaled to 0…1 over the pool, because scores have no fixed scale and cosines do.
    Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking …", SIGIR 1998.

    Args:
        vectors: (P, D) vectors of the pool, best item first.
        scores: (P,) scores of the pool.
        k: number of items to select, at most P.
        diversity: d, above 0 and up to 1.

    Returns:
        Indices into the pool in the order of selection, (k,); the best item is the first.
    """
    spread = float(scores[0] - scores[-1]) if len(scores) else 0.0
    relevance = (scores - scores[-1]) / spread if spread > 0.0 else np.zeros_like(scores)
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    nearest = np.full(len(scores), -1.0, np.float32)  # cosine to the nearest selected item; -1 is the least possible
    selected = np.zeros(k, np.int64)
    for step in range(k):
        if step:
            value = (1.0 - diversity) * relevance - diversity * nearest
            value[selected[:step]] = -np.inf
            selected[step] = np.argmax(value)
        nearest = np.maximum(nearest, directions @ directions[selected[step]])
    return selected
