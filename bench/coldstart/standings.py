"""What all seeds together say: means, comparisons with intervals, gaps between groups of users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.export.data.records import UserRecord
from emberline.export.evaluation.bootstrap import paired_interval
from emberline.export.evaluation.groups import Grouping, groupable

from .entries import Entry
from .settings import MEASURE, ColdStartSettings

#: Of fewer users that ask, a group's mean says nothing.
LEAST_MEMBERS: Final = 20
_K: Final = 10

#: Entries by scenario and method, one a seed.
Places = dict[tuple[str, str], list[Entry]]


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure over the seeds."""

    name: str
    mean: float
    seeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The settings of a method for one seed.

    Attributes:
        seed: of the split.
        settings: as they could be written in Python; of a model, where it comes from.
        tuned_to: what they were worth when they were chosen; None: there was nothing to choose.
        tried: how many there were to choose from.
    """

    seed: int
    settings: str
    tuned_to: float | None
    tried: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One method in one scenario, over all seeds.

    Attributes:
        method: its name.
        kind: ``model``, ``served`` or ``baseline``.
        facts: whether it reads facts of a graph.
        scenario: its name.
        measures: ranking measures.
        chosen: for each seed.
        fit_seconds: mean over the seeds, as all costs; None: not known.
        score_seconds: for all who ask.
        kept_mb: of the fitted method.
    """

    method: str
    kind: str
    facts: bool
    scenario: str
    measures: tuple[Measured, ...]
    chosen: tuple[Chosen, ...]
    fit_seconds: float | None
    score_seconds: float
    kept_mb: float

    def mean(self, measure: str) -> float:
        """A measure's mean over the seeds."""
        return next(one.mean for one in self.measures if one.name == measure)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many times better one method is than another, by NDCG@10.

    Attributes:
        method: the one.
        against: the other.
        scenario: in which.
        best: whether the other is the best baseline there, chosen by the very figures that are compared, which can
            only be to the baselines' advantage.
        seeds: the ratio of each seed.
        ratio: of all seeds together; None where the other scores nothing.
        low: of its interval.
        high: of its interval; None: it has no bound.
    """

    method: str
    against: str
    scenario: str
    best: bool
    seeds: tuple[float, ...]
    ratio: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class GroupMean:
    """A group's NDCG@10.

    Attributes:
        method: who answers.
        scenario: what was asked.
        field: the users' attribute that makes the groups.
        group: its value.
        queries: of all seeds together.
        ndcg_at_10: mean over them.
    """

    method: str
    scenario: str
    field: str
    group: str
    queries: int
    ndcg_at_10: float


def measured(name: str, values: Sequence[float]) -> Measured:
    """A measure over the seeds."""
    return Measured(name, float(np.mean(values)), tuple(values))


def rivals(standings: Iterable[Standing], scenario: str, *, facts: bool) -> list[Standing]:
    """The baselines of a scenario, the best first.

    Args:
        standings: of all methods and scenarios.
        scenario: its name.
        facts: whether those with facts of a graph are among them: a model without any is compared with its like.
    """
    found = [
        one for one in standings if one.kind == "baseline" and one.scenario == scenario and (facts or not one.facts)
    ]
    return sorted(found, key=lambda one: one.mean(MEASURE), reverse=True)


def by_place(entries: Iterable[Entry]) -> Places:
    """Entries by scenario and method, those of one pair by ascending seed."""
    found: Places = {}
    for entry in sorted(entries, key=lambda one: one.seed):
        found.setdefault((entry.scenario.name, entry.method), []).append(entry)
    return found


def standing(entries: Sequence[Entry]) -> Standing:
    """Sum up the entries of one method in one scenario, one a seed."""
    means = [entry.evaluation.means() for entry in entries]
    fits = [entry.cost.fit_seconds for entry in entries if entry.cost.fit_seconds is not None]
    return Standing(
        method=entries[0].method,
        kind=entries[0].kind,
        facts=entries[0].facts,
        scenario=entries[0].scenario.name,
        measures=tuple(measured(name, [one[name] for one in means]) for name in means[0]),
        chosen=tuple(Chosen(entry.seed, entry.settings, entry.tuned_to, entry.tried) for entry in entries),
        fit_seconds=float(np.mean(fits)) if fits else None,
        score_seconds=float(np.mean([entry.cost.score_seconds for entry in entries])),
        kept_mb=float(np.mean([entry.cost.kept_mb for entry in entries])),
    )


def compare(
    ours: Sequence[Entry], theirs: Sequence[Entry], settings: ColdStartSettings, *, best: bool = False
) -> Comparison | None:
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
        np.bincount(place, np.concatenate([pair[side].evaluation.ndcg[_K] for pair in pairs])).astype(np.float64)
        for side in (0, 1)
    )
    ratio = low = high = None
    if second.sum() > 0:
        found = paired_interval(first, second, "ratio", samples=settings.samples, level=settings.level)
        ratio, low, high = found.estimate, found.low, found.high
    return Comparison(
        method=ours[0].method,
        against=theirs[0].method,
        scenario=ours[0].scenario.name,
        best=best,
        seeds=tuple(_ratio(one, two) for one, two in pairs),
        ratio=ratio,
        low=low,
        high=high,
    )


def groups(entries: Sequence[Entry], users: Sequence[UserRecord]) -> list[GroupMean]:
    """The means of groups of users, by each attribute that makes groups.

    Args:
        entries: of one method in one scenario, one a seed.
        users: of the data set.
    """
    everyone = np.arange(len(users))
    asked: NDArray[np.int64] = np.concatenate([entry.evaluation.users for entry in entries])
    values = np.concatenate([entry.evaluation.ndcg[_K] for entry in entries])
    found = []
    for field in groupable(users, everyone):
        grouping = Grouping.of(users, everyone, (field,))
        place = grouping.groups(users)[asked]
        count = np.bincount(place, minlength=len(grouping.names))
        total = np.bincount(place, values, minlength=len(grouping.names))
        found += [
            GroupMean(
                entries[0].method,
                entries[0].scenario.name,
                field,
                name,
                int(count[row]),
                float(total[row] / count[row]),
            )
            for row, name in enumerate(grouping.names)
            if count[row] >= LEAST_MEMBERS
        ]
    return found


def _ratio(one: Entry, two: Entry) -> float:
    theirs = two.evaluation.means()[MEASURE]
    return one.evaluation.means()[MEASURE] / theirs if theirs > 0 else float("inf")
