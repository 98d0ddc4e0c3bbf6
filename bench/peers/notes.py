"""What the rounds have measured, repetition by repetition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from emberline.bench.load import Load
from emberline.bench.measure import Metric, Samples

from .gemm import Peak
from .texts import MIXED

_BATCHES: Final = ", batches of "


@dataclass(frozen=True, slots=True)
class Work:
    """One offline run of some size.

    Attributes:
        throughput: texts a second.
        memory_mb: resident memory of the process right after it.
    """

    throughput: float
    memory_mb: float


@dataclass(slots=True)
class Notes:
    """Everything that was measured; each list has one entry a repetition.

    Attributes:
        counts: texts, by text set.
        batches: the best batch size, by the name of a variant whose default is another one.
        offline: all texts at once, by text set.
        lone: one text at a time.
        crowds: many callers, by their number.
        beside: Emberline in process, between the crowds: what they are compared with.
        loads: at 70 % of saturation, by variant.
        rates: that those loads had, requests a second.
        peaks: of matrix products, by precision.
        recommendations: by the catalogue's size.
        work: offline runs, by their number of texts.
    """

    counts: dict[str, int] = field(default_factory=dict)
    batches: dict[str, int] = field(default_factory=dict)
    offline: dict[str, Samples] = field(default_factory=dict)
    lone: Samples = field(default_factory=lambda: Samples(MIXED, "SingleStream"))
    crowds: dict[int, Samples] = field(default_factory=dict)
    beside: Samples = field(default_factory=lambda: Samples(MIXED, "Offline beside clients"))
    loads: dict[str, list[Load]] = field(default_factory=lambda: defaultdict(list))
    rates: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, list[Peak]] = field(default_factory=lambda: defaultdict(list))
    recommendations: dict[int, Samples] = field(default_factory=dict)
    work: dict[int, list[Work]] = field(default_factory=lambda: defaultdict(list))

    def samples(self) -> list[Samples]:
        """Those that the table of measurements shows."""
        return [*self.offline.values(), self.lone, *self.crowds.values(), *self.recommendations.values()]

    def forget(self, names: Sequence[str]) -> None:
        """Drop what variants have left that were taken out: some of their repetitions are missing."""
        for samples in self.samples():
            for row in [row for row in samples.values if variant_of(row) in names]:
                del samples.values[row]


def row_of(variant: str, size: int) -> str:
    """The name of the row for a variant with another batch size than its default."""
    return f"{variant}{_BATCHES}{size}"


def variant_of(row: str) -> str:
    """The variant that a row is of."""
    return row.partition(_BATCHES)[0]


def values(samples: Samples | None, variant: str, metric: Metric) -> Sequence[float]:
    """One value a repetition; none if it was not measured."""
    found: Mapping[Metric, Sequence[float]] = samples.values.get(variant, {}) if samples is not None else {}
    return found.get(metric, ())
