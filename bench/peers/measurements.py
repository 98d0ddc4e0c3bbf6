"""What the rounds have measured, repetition by repetition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from emberline.bench.harness.load import Load
from emberline.bench.harness.measure import Metric, Samples

from .gemm import Peak
from .operators import OperatorShare
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


@dataclass(frozen=True, slots=True)
class Spent:
    """What an answer takes of the CPU while many callers wait.

    Attributes:
        client_ms: in the process that asks.
        server_ms: in the processes that answer.
    """

    client_ms: float
    server_ms: float


@dataclass(slots=True)
class Notes:
    """Everything that was measured; each list has one entry a repetition.

    Attributes:
        counts: texts, by text set.
        batches: the best batch size, by the name of a variant whose default is another one.
        offline: all texts at once, by text set.
        one_thread: all mixed texts at once, with one thread.
        lone: one text at a time.
        parts: where the time of one text goes: by variant and part, ms, each repetition's median.
        operators: of an encoder, by precision: what takes its time.
        crowds: many callers, by their number.
        spent: what their answers take of the CPU, by the callers' number and variant.
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
    one_thread: Samples = field(default_factory=lambda: Samples(MIXED, "Offline, one thread"))
    lone: Samples = field(default_factory=lambda: Samples(MIXED, "SingleStream"))
    parts: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    operators: dict[str, list[OperatorShare]] = field(default_factory=dict)
    crowds: dict[int, Samples] = field(default_factory=dict)
    spent: dict[int, dict[str, list[Spent]]] = field(default_factory=dict)
    beside: Samples = field(default_factory=lambda: Samples(MIXED, "Offline beside clients"))
    loads: dict[str, list[Load]] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, list[Peak]] = field(default_factory=dict)
    recommendations: dict[int, Samples] = field(default_factory=dict)
    work: dict[int, list[Work]] = field(default_factory=dict)

    def samples(self) -> list[Samples]:
        """Those that the table of measurements shows."""
        offline = [*self.offline.values(), self.one_thread]
        return [*offline, self.lone, *self.crowds.values(), *self.recommendations.values()]

    def forget(self, names: Sequence[str]) -> None:
        """Drop what variants have left that were taken out: some of their repetitions are missing."""
        for samples in self.samples():
            for row in [row for row in samples.values if variant_of(row) in names]:
                del samples.values[row]
        for name in names:
            self.parts.pop(name, None)
            for spent in self.spent.values():
                spent.pop(name, None)


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
