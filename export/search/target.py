"""What a search is to find. Light to import: the command line reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from emberline.engine.errors import ConfigError

#: What a target may speak of, as the gate measures it: agreement@10 of neighbours, and the mean cosine.
Measure = Literal["agreement", "cosine"]
MEASURES: Final[Mapping[Measure, str]] = {"agreement": "agreement@10 of neighbours", "cosine": "mean cosine"}

#: How long a search may take unless it is told.
MINUTES: Final = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """What must be held.

    Attributes:
        measure: one of `MEASURES`.
        value: the least that will do, above 0 and up to 1.
    """

    measure: Measure
    value: float

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise ConfigError(f"the target's measure is {self.measure!r}; choose from {', '.join(MEASURES)}")
        if not 0 < self.value <= 1:
            raise ConfigError(f"the target of {self.measure} must be a share above 0 and up to 1, not {self.value:g}")

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``agreement=0.97``.

        Raises:
            ConfigError: it is written otherwise, or speaks of something else.
        """
        measure, _, value = text.partition("=")
        try:
            least = float(value)
        except ValueError:
            raise ConfigError(
                f"--target {text}: write MEASURE=VALUE with one of {', '.join(MEASURES)}, e.g. agreement=0.97; "
                "GPUs are for --tensorrt"
            ) from None
        return cls(cast(Measure, measure.strip()), least)

    def __str__(self) -> str:
        return f"{self.measure}={self.value}"


@dataclass(frozen=True, slots=True)
class Quest:
    """A search that is asked for.

    Attributes:
        target: what int8 must hold.
        minutes: after which the search takes the best that it has found; what was tried is kept, so that another
            search goes on from there.
    """

    target: Target
    minutes: float = MINUTES

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise ConfigError(f"the minutes of a search must be more than 0, not {self.minutes:g}")
