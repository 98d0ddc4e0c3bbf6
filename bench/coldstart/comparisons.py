"""What all seeds together say of two methods, with intervals, and of groups of users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.export.data.records import UserRecord
from emberline.export.evaluation.bootstrap import paired_interval
from emberline.export.evaluation.groups import Grouping, groupable

from .entries import Entry
from .settings import MEASURE, ColdStartSettings, K

#: Of fewer users that ask, a group's mean says nothing.
LEAST_MEMBERS: Final = 20

#: Entries by scenario and method, one a seed.
Places = Mapping[tuple[str, str], Sequence[Entry]]


@dataclass(frozen=True, slots=True)
class MethodRatio:
    """How many times better one method is than another, by NDCG@10."""

    method: str  # the one.
    against: str  # the other.
    scenario: str  # where they are compared.
    #: whether the other is the best baseline there, chosen by the very figures that are compared, which can only be
    #: to the baselines' advantage.
    best: bool
    seeds: tuple[float, ...]  # the ratio of each seed.
    ratio: float | None  # ratio over all seeds together; None where the other scores nothing.
    low: float | None  # lower end of the ratio's interval.
    high: float | None  # upper end; None: it has no bound.


@dataclass(frozen=True, slots=True)
class GroupMean:
    """A group's NDCG@10."""

    method: str  # who answers.
    scenario: str  # what was asked.
    field: str  # the users' attribute that makes the groups.
    group: str  # its value.
    queries: int  # number of queries over all seeds.
    ndcg_at_10: float  # mean over them.


def by_place(entries: Iterable[Entry]) -> Places:
    """Entries by scenario and method, those of one pair by ascending seed."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in sorted(entries, key=lambda one: one.seed):
        found.setdefault((entry.scenario.name, entry.method), []).append(entry)
    return found


def rivals(places: Places, scenario: str, *, facts: bool) -> list[str]:
    """The baselines of a scenario, the best first.

    Args:
        places: all methods in all scenarios.
        scenario: its name.
        facts: whether those with facts of a graph are among them: a model without any is compared with its like.
    """
    found = {
        method: float(np.mean([_worth(one) for one in entries]))
        for (name, method), entries in places.items()
        if name == scenario and entries[0].kind == "baseline" and (facts or not entries[0].facts)
    }
    return sorted(found, key=lambda method: -found[method])


def compare(
    ours: Sequence[Entry], theirs: Sequence[Entry], settings: ColdStartSettings, *, best: bool = False
) -> MethodRatio | None:
    """Compare two methods in one scenario over the seeds that both have; None where there is none.

    A user who asks under several seeds is one user: the bootstrap draws users and takes all of their queries.
    """
    other = {entry.seed: entry for entry in theirs}
    pairs = [(entry, other[entry.seed]) for entry in ours if entry.seed in other]
    if not pairs:
        return None
    users = np.concatenate([one.evaluation.users for one, _ in pairs])
    _, place = np.unique(users, return_inverse=True)
    first, second = (
        np.bincount(place, np.concatenate([pair[side].evaluation.ndcg[K] for pair in pairs])).astype(np.float64)
        for side in (0, 1)
    )
    ratio = low = high = None
    if second.sum() > 0:
        found = paired_interval(first, second, "ratio", samples=settings.samples, level=settings.level)
        ratio, low, high = found.estimate, found.low, found.high
    return MethodRatio(
        method=ours[0].method,
        against=theirs[0].method,
        scenario=ours[0].scenario.name,
        best=best,
        seeds=tuple(_worth(one) / _worth(two) if _worth(two) > 0 else float("inf") for one, two in pairs),
        ratio=ratio,
        low=low,
        high=high,
    )


def groups(entries: Sequence[Entry], users: Sequence[UserRecord]) -> list[GroupMean]:
    """The means of groups of users, by each attribute that makes groups."""
    everyone = np.arange(len(users))
    asked: NDArray[np.int64] = np.concatenate([entry.evaluation.users for entry in entries])
    values = np.concatenate([entry.evaluation.ndcg[K] for entry in entries])
    method, scenario = entries[0].method, entries[0].scenario.name
    found = []
    for field in groupable(users, everyone):
        grouping = Grouping.of(users, everyone, (field,))
        place = grouping.groups(users)[asked]
        count = np.bincount(place, minlength=len(grouping.names))
        total = np.bincount(place, values, minlength=len(grouping.names))
        found += [
            GroupMean(method, scenario, field, name, int(count[row]), float(total[row] / count[row]))
            for row, name in enumerate(grouping.names)
            if count[row] >= LEAST_MEMBERS
        ]
    return found


def _worth(entry: Entry) -> float:
    return entry.evaluation.means()[MEASURE]
