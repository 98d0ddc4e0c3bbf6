"""Where a model stands: the rows by which it is judged on every data set, those that it loses included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from emberline.bench.harness.measurements import Measurements

from .comparisons import MethodRatio

#: Below or above these shares of what they should have, new items are shown too rarely or too often.
_LEAST_SHOWN, _MOST_SHOWN = 0.5, 2.0
_EASE: Final = "EASE"
_KNOWN: Final = re.compile(r"user cold, (\d+) known")


@dataclass(frozen=True, slots=True)
class StandingRow:
    """A model beside what it has to beat, in one measure of one data set."""

    measure: str  # what is compared, in words that mean the same on every data set.
    method: str  # the model.
    against: str  # the best tuned baseline by the mean over the seeds, or what the measure names.
    scenario: str  # where they are compared.
    value: float | None  # the model's mean over the seeds.
    other: float | None  # that of what it is compared with.
    ratio: float | None  # the first over the second, over all seeds together; None where the second is nothing.
    low: float | None  # lower end of the ratio's interval; None: there is none.
    high: float | None  # upper end.
    seeds: tuple[float, ...]  # the ratio of each seed.
    at_least: float  # what the ratio should be.
    at_most: float | None  # what it should not exceed; None: the more the better.
    reached: bool  # whether it is within these.


def standing(comparisons: Sequence[MethodRatio], measured: Measurements) -> list[StandingRow]:
    """All rows that were measured, of each model in their order; none without a model."""
    ours = [one for one in comparisons if one.method not in _served(comparisons)]
    found = []
    for model in dict.fromkeys(one.method for one in ours):
        found += [
            *_against_best(model, ours, measured, "item cold", "new items", 1.05),
            *_in_one_ranking(model, ours, measured, "one ranking", "by draw"),
            *_in_one_ranking(model, ours, measured, "by time", "by time"),
            *_new_users(model, ours, measured),
            *_against_best(model, ours, measured, "warm", "known users and items / EASE", 0.98, _EASE),
        ]
    return [*found, *_by_precision(comparisons, measured)]


def _served(comparisons: Sequence[MethodRatio]) -> set[str]:
    """Models that are others in another precision: they are compared with these."""
    methods = {one.method for one in comparisons}
    return {one.method for one in comparisons if one.against in methods and one.method.startswith(f"{one.against}, ")}


def _against_best(
    model: str,
    comparisons: Sequence[MethodRatio],
    measured: Measurements,
    scenario: str,
    measure: str,
    at_least: float,
    against: str = "",
) -> Iterator[StandingRow]:
    """The model beside a baseline, the best if none is named."""
    for one in comparisons:
        if (one.method, one.scenario) == (model, scenario) and (one.against == against if against else one.best):
            yield _row(one, measured, measure, at_least)


def _in_one_ranking(
    model: str, comparisons: Sequence[MethodRatio], measured: Measurements, scenario: str, how: str
) -> Iterator[StandingRow]:
    yield from _against_best(model, comparisons, measured, scenario, f"known and new items in one ranking, {how}", 1.05)
    places, likes = (measured.values(scenario, model, metric) for metric in ("new_places@10", "new_likes"))
    if places and all(likes):
        value, other = sum(places) / len(places), sum(likes) / len(likes)
        yield StandingRow(
            measure=f"new items' share of the places / of the likes, {how}",
            method=model,
            against="their share of the likes",
            scenario=scenario,
            value=value,
            other=other,
            ratio=value / other,
            low=None,
            high=None,
            seeds=tuple(ours / theirs for ours, theirs in zip(places, likes, strict=True)),
            at_least=_LEAST_SHOWN,
            at_most=_MOST_SHOWN,
            reached=_LEAST_SHOWN <= value / other <= _MOST_SHOWN,
        )


def _new_users(model: str, comparisons: Sequence[MethodRatio], measured: Measurements) -> Iterator[StandingRow]:
    for one in comparisons:
        known = _KNOWN.fullmatch(one.scenario)
        if known and one.method == model and one.best:
            likes = "1 like" if known[1] == "1" else f"{known[1]} likes"
            yield _row(one, measured, f"new users, {likes} known", 1.0)


def _by_precision(comparisons: Sequence[MethodRatio], measured: Measurements) -> Iterator[StandingRow]:
    """Of each model in another precision the scenario in which it loses most."""
    for served in sorted(_served(comparisons)):
        pairs = [one for one in comparisons if one.method == served and served.startswith(f"{one.against}, ")]
        there = [one for one in pairs if one.ratio is not None]
        if there:
            least = min(there, key=lambda one: one.ratio or 0.0)
            precision = served.removeprefix(f"{least.against}, ").split()[0]
            yield _row(least, measured, f"{precision} / fp32, where it loses most", 0.99)


def _row(one: MethodRatio, measured: Measurements, measure: str, at_least: float) -> StandingRow:
    return StandingRow(
        measure=measure,
        method=one.method,
        against=one.against,
        scenario=one.scenario,
        value=measured.mean(one.scenario, one.method, "ndcg@10"),
        other=measured.mean(one.scenario, one.against, "ndcg@10"),
        ratio=one.ratio,
        low=one.low,
        high=one.high,
        seeds=one.seeds,
        at_least=at_least,
        at_most=None,
        reached=one.ratio is not None and one.ratio >= at_least,
    )
