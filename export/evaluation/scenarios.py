"""The scenarios of cold start as ranking tasks: who asks, what is known of them, what may be ranked, what is right.

Every scenario ranks all of its candidates, never a sample of them: a sampled metric can order two models wrongly
(Krichene and Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emberline.engine.errors import DataError
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split

Indexes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A ranking task with Q queries, one a user, and C candidates for all of them.

    Attributes:
        name: e.g. ``item cold``.
        users: (Q,) who asks; indexes into the data set's users.
        history: of each query, the items that a model may know the user to like, oldest first.
        known: of each query, the candidates that the user has met before, which are never recommended.
        relevant: of each query, the candidates that are right; at least one, and none of them known.
        candidates: (C,) indexes into the data set's items, ascending.
        profile: whether a model may know the user's attributes.
        new: (C,) where known and new items are ranked together: which candidates nobody had met before; else None.
    """

    name: str
    users: Indexes
    history: tuple[Indexes, ...]
    known: tuple[Indexes, ...]
    relevant: tuple[Indexes, ...]
    candidates: Indexes
    profile: bool = True
    new: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if not len(self.users):
            raise DataError(f"the scenario {self.name!r} has no query; the data set is too small to be split")


def item_cold(dataset: Dataset, split: Split) -> Scenario:
    """Rank the cold items for warm users who like one of them; their liked training items are the history."""
    return _with_history("item cold", dataset, split, split.item_cold, split.train, np.flatnonzero(split.cold_items))


def item_cold_mixed(dataset: Dataset, split: Split) -> Scenario:
    """The queries and right answers of `item_cold`, but ranked among all items, cold and warm.

    The warm items that a user has met, in training or later, are known: what remains are the cold items and the warm
    ones that the user never met, so that a cold item has to hold its own against everything that could be shown.
    """
    seen = np.concatenate([split.train, split.validation, split.test])
    candidates = np.flatnonzero(split.cold_items | split.warm_items)
    return _with_history("item cold, mixed", dataset, split, split.item_cold, seen, candidates)


def warm(dataset: Dataset, split: Split) -> Scenario:
    """Rank the warm items for warm users; right are the likes of the test rows, known the rows before them."""
    seen = np.concatenate([split.train, split.validation])
    return _with_history("warm", dataset, split, split.test, seen, np.flatnonzero(split.warm_items))


def one_ranking(dataset: Dataset, split: Split) -> Scenario:
    """Rank all items, known and new, for warm users; right are their later likes of both.

    So a shop ranks, and so ColdRec measures (github.com/YuanchenBei/ColdRec): what a model is worth in all, for known
    and for new items is told from the same scores, see `parts`.
    """
    seen = np.concatenate([split.train, split.validation])
    later = np.concatenate([split.test, split.item_cold])
    candidates = np.flatnonzero(split.cold_items | split.warm_items)
    found = _with_history("one ranking", dataset, split, later, seen, candidates)
    return replace(found, new=split.cold_items[candidates])


def everyone_later(dataset: Dataset, split: Split) -> Scenario:
    """Rank all items for everyone who came after the moment of a split by time; right are their likes from then on."""
    later = np.concatenate([split.test, split.item_cold, split.user_cold, split.both_cold])
    found = _with_history("by time", dataset, split, later, split.train, np.arange(len(dataset.items)))
    return replace(found, new=~split.warm_items)


@dataclass(frozen=True, slots=True)
class Part:
    """The known or the new items of one ranking.

    Attributes:
        scenario: the same queries, as far as something of the part is right, over the part's candidates.
        rows: (q,) the queries' places in the whole.
        columns: (c,) the candidates' places in the whole.
    """

    scenario: Scenario
    rows: Indexes
    columns: Indexes

    def of(self, scores: NDArray[np.floating]) -> NDArray[np.floating]:
        """(q, c) of the whole's scores (Q, C)."""
        return scores[self.rows[:, None], self.columns]


def parts(scenario: Scenario) -> Iterator[Part]:
    """The known items and the new ones of a scenario that ranks both together; nothing of another scenario."""
    if scenario.new is None:
        return
    for name, inside in (("known items", ~scenario.new), ("new items", scenario.new)):
        columns = np.flatnonzero(inside)
        among = np.zeros(int(scenario.candidates.max(initial=0)) + 1, dtype=np.bool_)
        among[scenario.candidates[columns]] = True
        relevant = [items[among[items]] for items in scenario.relevant]
        rows = np.flatnonzero([len(items) > 0 for items in relevant])
        if len(rows):
            yield Part(
                Scenario(
                    name=f"{scenario.name}, {name}",
                    users=scenario.users[rows],
                    history=tuple(scenario.history[row] for row in rows),
                    known=tuple(scenario.known[row][among[scenario.known[row]]] for row in rows),
                    relevant=tuple(relevant[row] for row in rows),
                    candidates=scenario.candidates[columns],
                    profile=scenario.profile,
                ),
                rows,
                columns,
            )


def user_cold(dataset: Dataset, split: Split, k: int, profile: bool = True) -> Scenario:
    """Rank the warm items for users whose first k likes are all that is known.

    The likes count in the order of time. Those after the first k are right; all that the user met up to the k-th like,
    disliked items too, is known. Users with no more than k likes ask no query, and a larger k leaves fewer right
    answers: compare methods at the same k, not one method at different k.

    Args:
        dataset: the data set.
        split: its split.
        k: how many likes are known; 0: none.
        profile: whether the user's attributes are known.
    """
    users, history, known, relevant = [], [], [], []
    for user, rows in _by_user(dataset, split.user_cold):
        liked = np.flatnonzero(dataset.interactions.positive[rows])
        if len(liked) <= k:
            continue
        met = liked[k - 1] + 1 if k else 0
        items = dataset.interactions.item[rows].astype(np.int64)
        users.append(user)
        history.append(items[liked[:k]])
        known.append(items[:met])
        relevant.append(items[liked[k:]])
    return Scenario(
        name=f"user cold, {k} known" + ("" if profile else ", no profile"),
        users=np.asarray(users, dtype=np.int64),
        history=tuple(history),
        known=tuple(known),
        relevant=tuple(relevant),
        candidates=np.flatnonzero(split.warm_items),
        profile=profile,
    )


def _with_history(
    name: str, dataset: Dataset, split: Split, asked: Indexes, seen: Indexes, candidates: Indexes
) -> Scenario:
    interactions = dataset.interactions
    history = {user: _likes(dataset, rows) for user, rows in _by_user(dataset, split.train)}
    met = {user: interactions.item[rows].astype(np.int64) for user, rows in _by_user(dataset, seen)}
    relevant = {user: _likes(dataset, rows) for user, rows in _by_user(dataset, asked)}
    users = [user for user, likes in relevant.items() if len(likes)]
    nothing = np.empty(0, dtype=np.int64)
    return Scenario(
        name=name,
        users=np.asarray(users, dtype=np.int64),
        history=tuple(history.get(user, nothing) for user in users),
        known=tuple(np.intersect1d(met.get(user, nothing), candidates) for user in users),
        relevant=tuple(relevant[user] for user in users),
        candidates=candidates,
    )


def _likes(dataset: Dataset, rows: Indexes) -> Indexes:
    return dataset.interactions.item[rows][dataset.interactions.positive[rows]].astype(np.int64)


def _by_user(dataset: Dataset, rows: Indexes) -> Iterator[tuple[int, Indexes]]:
    """Each user's rows, oldest first; equal times in the file's order. Users ascend."""
    if not len(rows):
        return
    user, time = dataset.interactions.user[rows], dataset.interactions.timestamp[rows]
    order = np.lexsort((rows, time, user))
    users, first = np.unique(user[order], return_index=True)
    yield from zip(users.tolist(), np.split(rows[order], first[1:]), strict=True)
