"""The core of every comparison: variants take turns, repetitions become medians, and ratios are taken pairwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from .summary import Summary, improvement

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured.

    Attributes:
        name: e.g. ``p99``.
        unit: e.g. ``ms``.
        higher_is_better: true for throughputs, false for latencies.
    """

    name: str
    unit: str
    higher_is_better: bool


P50: Final = Metric("p50", "ms", higher_is_better=False)
P90: Final = Metric("p90", "ms", higher_is_better=False)
P99: Final = Metric("p99", "ms", higher_is_better=False)
THROUGHPUT: Final = Metric("throughput", "texts/s", higher_is_better=True)
SATURATION: Final = Metric("saturation", "requests/s", higher_is_better=True)
RATE: Final = Metric("rate", "requests/s", higher_is_better=True)
METRICS: Final[Mapping[str, Metric]] = {one.name: one for one in (P50, P90, P99, THROUGHPUT, SATURATION, RATE)}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of one variant in one scenario.

    Attributes:
        texts: the text set's name.
        scenario: e.g. ``SingleStream``.
        variant: the variant's name.
        metric: its name.
        unit: of the values.
        higher_is_better: whether more is better.
        values: over the repetitions.
        ratio: how many times better than the reference, over the repetitions; None where there is no reference.
    """

    texts: str
    scenario: str
    variant: str
    metric: str
    unit: str
    higher_is_better: bool
    values: Summary
    ratio: Summary | None


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


@dataclass(slots=True)
class Samples:
    """Collects what the repetitions of one scenario on one text set give.

    Attributes:
        texts: the text set's name.
        scenario: the scenario's name.
        values: per variant and metric, one value a repetition.
    """

    texts: str
    scenario: str
    values: dict[str, dict[Metric, list[float]]] = field(default_factory=dict)

    def add(self, variant: str, found: Mapping[Metric, float]) -> None:
        """Add one repetition's values of a variant."""
        for metric, value in found.items():
            self.values.setdefault(variant, {}).setdefault(metric, []).append(value)

    def measurements(self, reference: str | None) -> list[Measurement]:
        """All metrics of all variants.

        Args:
            reference: the variant that the others are compared with; None: there is none.
        """
        base = self.values.get(reference, {}) if reference is not None else {}
        return [
            Measurement(
                texts=self.texts,
                scenario=self.scenario,
                variant=variant,
                metric=metric.name,
                unit=metric.unit,
                higher_is_better=metric.higher_is_better,
                values=Summary.of(values),
                ratio=improvement(values, base[metric], higher_is_better=metric.higher_is_better)
                if metric in base
                else None,
            )
            for variant, metrics in self.values.items()
            for metric, values in metrics.items()
        ]
