"""What was found so far, seed by seed."""

from __future__ import annotations

from dataclasses import dataclass, field

from emberline.bench.harness.lineup import LeftOut
from emberline.bench.harness.runs import RunRecord

from .attributes import Attributes
from .behaviour import Behaviour
from .corrupted import Spoilt
from .entries import Entry


@dataclass(slots=True)
class Findings:
    """Collects what is measured.

    Attributes:
        entries: rankings of baselines, models and served models.
        attributes: predictions of labels.
        behaviour: predictions of likes.
        spoilt: rankings on bad data.
        runs: whose models were measured.
        left_out: what was not measured, and why.
    """

    entries: list[Entry] = field(default_factory=list)
    attributes: list[Attributes] = field(default_factory=list)
    behaviour: list[Behaviour] = field(default_factory=list)
    spoilt: list[Spoilt] = field(default_factory=list)
    runs: list[RunRecord] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def leave_out(self, name: str, reason: str) -> None:
        """Note what is not measured; once, though every seed finds it."""
        if all(one.variant != name for one in self.left_out):
            self.left_out.append(LeftOut(name, reason))
