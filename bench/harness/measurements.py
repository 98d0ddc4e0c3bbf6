"""One long table of everything that was measured, and what its repetitions say together.

A row is one metric of one variant in one section (a scenario, a load, a profile), for each repetition a value. Every
command fills the same table; what is shown of it, medians, ranges, ratios to a reference, is computed from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

T = TypeVar("T")

P50: Final = "p50"
P90: Final = "p90"
P99: Final = "p99"
THROUGHPUT: Final = "throughput"
SATURATION: Final = "saturation"
RATE: Final = "rate"
#: Units of what `bench latency` and `bench peers` compare.
UNITS: Final[Mapping[str, str]] = {
    P50: "ms",
    P90: "ms",
    P99: "ms",
    THROUGHPUT: "texts/s",
    SATURATION: "requests/s",
    RATE: "requests/s",
}
#: Of these, more is better; of all others, less.
HIGHER_IS_BETTER: Final = frozenset({THROUGHPUT, SATURATION, RATE})


def percentile(latencies: Sequence[float | None], share: float) -> float:
    """A percentile that was really observed: the smallest latency that at least `share` per cent do not exceed.

    Args:
        latencies: at least one; None stands for a request without an answer, which counts as infinitely late.
        share: per cent, 0 to 100.
    """
    values = [math.inf if latency is None else latency for latency in latencies]
    return float(np.percentile(values, share, method="inverted_cdf"))


@dataclass(frozen=True, slots=True)
class Summary:
    """What the repetitions of one measurement gave."""

    repetitions: tuple[float, ...]  # each repetition's value, in their order.
    median: float  # over the repetitions.
    minimum: float  # over the repetitions.
    maximum: float  # over the repetitions.

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Summarise at least one value."""
        return cls(tuple(map(float, values)), float(np.median(values)), float(np.min(values)), float(np.max(values)))


def improvement(values: Sequence[float], reference: Sequence[float], *, higher_is_better: bool) -> Summary:
    """How many times better than the reference, within each repetition.

    Variants of one repetition ran right after each other, so what slowed the machine slowed both, and the ratio keeps
    less of it than either value. 2.0 is twice the throughput or half the latency. A value or reference of zero gives
    NaN.
    """
    above, below = (values, reference) if higher_is_better else (reference, values)
    return Summary.of([a / b if a and b else math.nan for a, b in zip(above, below, strict=True)])


def interleaved(variants: Sequence[T], repetitions: int) -> Iterator[tuple[int, T]]:
    """Round robin: every repetition measures each variant once, and begins with another one.

    What slows the machine for a while then hits all variants alike, and none always runs right after the same other.

    Yields:
        The repetition, from 0, and the variant.
    """
    for repetition in range(repetitions):
        shift = repetition % len(variants) if variants else 0
        for variant in (*variants[shift:], *variants[:shift]):
            yield repetition, variant


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one variant in one section."""

    section: str  # a scenario, a load or a profile, with the texts that it is on, e.g. ``Offline, mixed``.
    variant: str  # what was measured.
    metric: str  # its name.
    values: list[float | None]  # one a repetition, or a seed.


class Measurements:
    """The long table."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = {(row.section, row.variant, row.metric): row for row in rows}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Measurements) and self._rows == other._rows

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Measurements:
        """The table of a command's result."""
        return cls(Row(**row) for row in result["measurements"])

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order in which they were begun."""
        return list(self._rows.values())

    def add(self, section: str, variant: str, metrics: Mapping[str, float]) -> None:
        """Add what one repetition gives."""
        for metric, value in metrics.items():
            row = self._rows.setdefault((section, variant, metric), Row(section, variant, metric, []))
            row.values.append(value)

    def drop(self, gone: Callable[[str], bool]) -> None:
        """Drop the variants that are gone: some of their repetitions are missing."""
        self._rows = {key: row for key, row in self._rows.items() if not gone(row.variant)}

    def sections(self) -> list[str]:
        """The sections."""
        return list(dict.fromkeys(row.section for row in self._rows.values()))

    def variants(self, section: str) -> list[str]:
        """The variants of a section."""
        return list(dict.fromkeys(row.variant for row in self._rows.values() if row.section == section))

    def metrics(self, section: str) -> list[str]:
        """The metrics of a section."""
        return list(dict.fromkeys(row.metric for row in self._rows.values() if row.section == section))

    def values(self, section: str, variant: str, metric: str) -> list[float]:
        """A value a repetition, infinite where there was no answer; empty if it was not measured."""
        row = self._rows.get((section, variant, metric))
        return [math.inf if value is None else value for value in row.values] if row else []

    def summary(self, section: str, variant: str, metric: str) -> Summary | None:
        """The repetitions together; None if it was not measured."""
        values = self.values(section, variant, metric)
        return Summary.of(values) if values else None

    def has_tail(self, section: str, variant: str) -> bool:
        """Whether there were requests enough to tell p99 from p90; with fewer, both are the slowest request."""
        p90, p99 = (self.values(section, variant, metric) for metric in ("p90", P99))
        return not p90 or p90 != p99

    def median(self, section: str, variant: str, metric: str) -> float | None:
        """The median of the repetitions; None if it was not measured."""
        found = self.summary(section, variant, metric)
        return found.median if found else None

    def mean(self, section: str, variant: str, metric: str) -> float | None:
        """The mean of the repetitions or seeds; None if it was not measured."""
        values = self.values(section, variant, metric)
        return float(np.mean(values)) if values else None

    def ratio(self, section: str, variant: str, metric: str, reference: str | None) -> Summary | None:
        """How many times better than the reference, see `improvement`; None where there is nothing to compare."""
        ours, theirs = (self.values(section, name or "", metric) for name in (variant, reference))
        return improvement(ours, theirs, higher_is_better=metric in HIGHER_IS_BETTER) if ours and theirs else None


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound and what was measured."""

    what: str  # is bounded.
    compared: str  # what with what; empty where `what` says it.
    value: Summary | None  # over the repetitions; None if it could not be measured.
    bound: float  # value that the median must reach.
    at_most: bool  # whether it must stay below instead.
    reached: bool  # whether it does.
    share: float | None  # share of the bound that is reached, 1 is enough; None if it could not be measured.
    reason: str  # why it could not be measured; empty if it was.
    profile: str  # the section of the measurements that shows what it is made of; empty if it is a figure by itself.

    @classmethod
    def of(
        cls,
        what: str,
        compared: str,
        values: Sequence[float],
        bound: float,
        *,
        at_most: bool = False,
        reason: str = "",
        profile: str = "",
    ) -> Bound:
        """Put a measurement, one value a repetition, beside its bound; without values it is not reached."""
        if not values or any(map(math.isnan, values)):
            return cls(what, compared, None, bound, at_most, False, None, reason or "it is not a number", profile)
        value = Summary.of(values)
        above, below = (bound, value.median) if at_most else (value.median, bound)
        share = above / below if below else math.inf
        return cls(what, compared, value, bound, at_most, share >= 1, share, "", profile)
