"""The settings of a distillation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from emberline.engine.settings import Setting, check, explained


@explained
@dataclass(frozen=True, slots=True, kw_only=True)
class DistillConfig:
    """How a student is distilled.

    Raises:
        ConfigError: a setting is out of its range.
    """

    max_minutes: Annotated[
        float,
        Setting(
            "About the time that all of it takes; the steps end early to keep it. The result of a student that was "
            "cut depends on the machine.",
            above=0,
        ),
    ] = 6.0
    steps: Annotated[int, Setting("Maximum number of steps.", at_least=1)] = 1000
    texts: Annotated[int, Setting("Number of texts that the teacher reads in a step.", at_least=2)] = 32
    rate: Annotated[float, Setting("Peak learning rate of the layers.", above=0)] = 3e-4
    static_rate: Annotated[float, Setting("Peak learning rate of a static encoder's vectors.", above=0)] = 2e-3
    checkpoint_seconds: Annotated[float, Setting("Time between two checkpoints, in seconds.", at_least=0)] = 30.0

    def __post_init__(self) -> None:
        check(self)
