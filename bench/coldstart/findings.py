"""What was found so far, seed by seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from emberline.bench.harness.measurements import Measurements
from emberline.bench.harness.records import RunRecord
from emberline.bench.harness.variants import LeftOut

from .entries import Entry


@dataclass(frozen=True, slots=True)
class Chosen:
    """The settings of a method for one seed.

    Attributes:
        section: the scenario or task.
        method: its name.
        seed: of the split.
        settings: as they could be written in Python; of a model, where it comes from; empty if there are none.
        tuned_to: what they were worth when they were chosen; None: there was nothing to choose, or it is not known.
        tried: how many there were to choose from.
    """

    section: str
    method: str
    seed: int
    settings: str
    tuned_to: float | None = None
    tried: int = 1


@dataclass(slots=True)
class Findings:
    """Collects what is measured.

    Attributes:
        measured: by scenario or task and method, a value a seed.
        chosen: with which settings, in the same order.
        entries: rankings of baselines, models and served models, query by query.
        runs: whose models were measured.
        left_out: what was not measured, and why.
    """

    measured: Measurements = field(default_factory=Measurements)
    chosen: list[Chosen] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    runs: list[RunRecord] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def enter(self, entries: Iterable[Entry]) -> None:
        """Note rankings."""
        for one in entries:
            place = one.scenario.name
            self.entries.append(one)
            self.measured.add(place, one.method, {**one.evaluation.means(), **one.cost.measures()})
            self.chosen.append(Chosen(place, one.method, one.seed, one.settings, one.tuned_to, one.tried))

    def add(self, section: str, method: str, seed: int, measures: Mapping[str, float], settings: str = "") -> None:
        """Note what a method is worth in a task."""
        self.measured.add(section, method, measures)
        self.chosen.append(Chosen(section, method, seed, settings))

    def leave_out(self, name: str, reason: str) -> None:
        """Note what is not measured; once, though every seed finds it."""
        if all(one.variant != name for one in self.left_out):
            self.left_out.append(LeftOut(name, reason))
