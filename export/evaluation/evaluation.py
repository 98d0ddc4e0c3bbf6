"""What a model's scores are worth in a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emberline.engine.errors import InvalidInput

from .metrics import Values, coverage, gini, ndcg, recall
from .ranking import first_places, place_of_first
from .scenarios import Indexes, Scenario

#: Scores ranked at a time: bounds the memory at some 100 MB whatever the catalogue's size.
CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well Q queries were answered, each with its own value, so that two models can be compared query by query.

    Attributes:
        scenario: the scenario's name.
        users: (Q,) who asked.
        recall: by cut-off, (Q,).
        ndcg: by cut-off, (Q,).
        reciprocal_rank: (Q,) over all candidates.
        coverage: by cut-off, the share of the candidates that some query is shown.
        gini: by cut-off, how unevenly candidates are shown, 0 to 1.
        top: (Q, the largest cut-off) the items shown, best first; −1 where no candidate is left.
        new_places: by cut-off, the share of the places that new items get; empty where they are not ranked with known
            ones.
        new_likes: the share of new items among what is relevant; None likewise.
    """

    scenario: str
    users: Indexes
    recall: Mapping[int, Values]
    ndcg: Mapping[int, Values]
    reciprocal_rank: Values
    coverage: Mapping[int, float]
    gini: Mapping[int, float]
    top: Indexes
    new_places: Mapping[int, float] = field(default_factory=dict)
    new_likes: float | None = None

    def means(self) -> dict[str, float]:
        """Each measure's mean over the queries, by names such as ``ndcg@10``, ``mrr`` and ``coverage@20``.

        Where new items are ranked with known ones, ``new_places@10`` and ``new_likes`` are among them.
        """
        found: dict[str, float] = {}
        for k in self.recall:
            found[f"recall@{k}"] = float(self.recall[k].mean())
            found[f"ndcg@{k}"] = float(self.ndcg[k].mean())
            found[f"coverage@{k}"] = self.coverage[k]
            found[f"gini@{k}"] = self.gini[k]
        found["mrr"] = float(self.reciprocal_rank.mean())
        found |= {f"new_places@{k}": share for k, share in self.new_places.items()}
        if self.new_likes is not None:
            found["new_likes"] = self.new_likes
        return found


def evaluate(scenario: Scenario, scores: NDArray[np.floating], ks: Sequence[int] = (10, 20)) -> Evaluation:
    """Rank the candidates by score and compare with what is relevant.

    Known candidates are taken out here; the scores need not say so. Equal scores are ordered by a shuffle of each
    query's candidates, the same every time: in the order of their index, which often follows popularity, a model that
    cannot tell items apart would profit from it.

    Args:
        scenario: Q queries, C candidates.
        scores: (Q, C), higher is better, all finite.
        ks: the cut-offs.

    Raises:
        InvalidInput: the scores have another shape, or are not finite.
    """
    _check(scenario, scores)
    widest = max(ks)
    hits, top, first = [], [], []
    for ranked in _ranked(scenario, scores, widest):
        hits.append(ranked.hits)
        top.append(np.where(ranked.places < 0, -1, scenario.candidates[ranked.places]))
        first.append(1 / (1 + place_of_first(ranked.scores, ranked.keys, ranked.right)))
    return _evaluation(scenario, np.concatenate(hits), np.concatenate(top), np.concatenate(first), ks)


def ndcg_at(scenario: Scenario, scores: NDArray[np.floating], k: int) -> Values:
    """(Q,) NDCG at a cut-off, as `evaluate` has it, and nothing else: where settings are chosen, that is enough.

    Raises:
        InvalidInput: as `evaluate`.
    """
    _check(scenario, scores)
    relevant = np.asarray([len(items) for items in scenario.relevant])
    return ndcg(np.concatenate([ranked.hits for ranked in _ranked(scenario, scores, k)]), relevant, k)


def best_among(
    scenario: Scenario, scores: NDArray[np.floating], among: NDArray[np.bool_], k: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """The highest scores among some of the candidates, and which of these are relevant.

    Args:
        scenario: Q queries, C candidates.
        scores: (Q, C), all finite.
        among: (C,) which candidates count.
        k: how many are wanted.

    Returns:
        (Q, min(k, C)) scores, descending, −∞ where no candidate is left, and (Q, min(k, C)) hits.
    """
    values, hits = [], []
    for ranked in _ranked(scenario, np.where(among, scores, -np.inf), k):
        found = np.take_along_axis(ranked.scores, ranked.places, axis=1)
        values.append(np.where(ranked.places < 0, -np.inf, found))
        hits.append(ranked.hits)
    return np.concatenate(values), np.concatenate(hits)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Some of the queries, their candidates ranked.

    Attributes:
        scores: (q, C), −∞ for what is known.
        keys: (q, C) by which equal scores are ordered.
        right: (q, C) which candidates are relevant.
        places: (q, width) the first candidates, best first; −1 where none is left.
        hits: (q, width) which of them are relevant.
    """

    scores: NDArray[np.floating]
    keys: NDArray[np.float32]
    right: NDArray[np.bool_]
    places: Indexes
    hits: NDArray[np.bool_]


def _ranked(scenario: Scenario, scores: NDArray[np.floating], width: int) -> Iterator[_Ranked]:
    """Rank in parts, which bounds the memory."""
    rng = np.random.default_rng(0)
    step = max(1, CHUNK // len(scenario.candidates))
    for start in range(0, len(scenario.users), step):
        part = slice(start, start + step)
        left = np.where(_mask(scenario, scenario.known[part]), -np.inf, scores[part])
        keys = rng.random(left.shape, dtype=np.float32)
        right = _mask(scenario, scenario.relevant[part])
        places = first_places(left, keys, width)
        hits = np.take_along_axis(right, places, axis=1) & (places >= 0)
        yield _Ranked(left, keys, right, places, hits)


def _evaluation(
    scenario: Scenario, hits: NDArray[np.bool_], top: Indexes, first: Values, ks: Sequence[int]
) -> Evaluation:
    relevant = np.asarray([len(items) for items in scenario.relevant])
    exposure = {k: _exposure(scenario, top[:, :k]) for k in ks}
    return Evaluation(
        scenario=scenario.name,
        users=scenario.users,
        recall={k: recall(hits, relevant, k) for k in ks},
        ndcg={k: ndcg(hits, relevant, k) for k in ks},
        reciprocal_rank=first,
        coverage={k: coverage(exposure[k]) for k in ks},
        gini={k: gini(exposure[k]) for k in ks},
        top=top,
        new_places={k: _new(scenario, top[:, :k][top[:, :k] >= 0]) for k in ks if scenario.new is not None},
        new_likes=None if scenario.new is None else _new(scenario, np.concatenate(scenario.relevant)),
    )


def _new(scenario: Scenario, items: Indexes) -> float:
    """The share of new ones among some candidates."""
    assert scenario.new is not None
    return float(scenario.new[np.searchsorted(scenario.candidates, items)].mean())


def _exposure(scenario: Scenario, top: Indexes) -> NDArray[np.int64]:
    shown = np.searchsorted(scenario.candidates, top[top >= 0])
    return np.bincount(shown, minlength=len(scenario.candidates))


def _mask(scenario: Scenario, items: Sequence[Indexes]) -> NDArray[np.bool_]:
    """Of each query, items among the candidates → (queries, C)."""
    mask = np.zeros((len(items), len(scenario.candidates)), dtype=np.bool_)
    query = np.repeat(np.arange(len(items)), [len(found) for found in items])
    mask[query, np.searchsorted(scenario.candidates, np.concatenate(items))] = True
    return mask


def _check(scenario: Scenario, scores: NDArray[np.floating]) -> None:
    expected = (len(scenario.users), len(scenario.candidates))
    if scores.shape != expected:
        raise InvalidInput("scores", f"have the shape {scores.shape}; the scenario {scenario.name!r} needs {expected}")
    if not np.isfinite(scores).all():
        query, candidate = np.argwhere(~np.isfinite(scores))[0]
        raise InvalidInput(
            "scores",
            f"hold {scores[query, candidate]} for query {query}, candidate {candidate} of {scenario.name!r}; "
            "all must be finite",
        )
