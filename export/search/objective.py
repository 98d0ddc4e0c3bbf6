"""The objective of a search. Light to import, because the command line reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from emberline.engine.errors import ConfigError

#: The measures that an objective may bound, as the gate defines them: agreement@10 of neighbours, and the mean cosine.
Measure = Literal["agreement", "cosine"]
MEASURES: Final[Mapping[Measure, str]] = {"agreement": "agreement@10 of neighbours", "cosine": "mean cosine"}

#: The default time limit of a search.
MINUTES: Final = 10.0


@dataclass(frozen=True, slots=True)
class SearchObjective:
    """The accuracy that an int8 encoder must reach.

    Attributes:
        measure: one of `MEASURES`.
        value: the minimum, above 0 and up to 1.
    """

    measure: Measure
    value: float

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise ConfigError(f"the objective's measure is {self.measure!r}; choose from {', '.join(MEASURES)}")
        if not 0 < self.value <= 1:
            raise ConfigError(f"the objective {self.measure} must be a share above 0 and up to 1, not {self.value:g}")

    @classmethod
    def parse(cls, text: str) -> SearchObjective:
        """Parse ``agreement=0.97``.

        Raises:
            ConfigError: the text has another form or names another measure.
        """
        measure, _, value = text.partition("=")
        try:
            least = float(value)
        except ValueError:
            raise ConfigError(
                f"--objective {text}: write MEASURE=VALUE with one of {', '.join(MEASURES)}, e.g. agreement=0.97"
            ) from None
        return cls(cast(Measure, measure.strip()), least)

    def __str__(self) -> str:
        return f"{self.measure}={self.value}"


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search for, and for how long.

    Attributes:
        objective: what int8 must reach.
        minutes: the time limit, after which the search takes the best trial so far. Trials are kept, so another search
            continues from them.
    """

    objective: SearchObjective
    minutes: float = MINUTES

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise ConfigError(f"the minutes of a search must be more than 0, not {self.minutes:g}")
