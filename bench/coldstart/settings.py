"""How cold start is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emberline.bench.harness.settings import require_ranges
from emberline.engine.errors import ConfigError

#: The measure by which baselines are tuned and methods compared.
MEASURE: Final = "ndcg@10"
#: Its cut-off.
K: Final = 10
#: How many places of a ranking count.
CUTOFFS: Final = (10, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStartSettings:
    """What `bench coldstart` measures. The command line reads its defaults from here.

    Raises:
        ConfigError: a setting is out of its range.
    """

    #: Each seed draws other cold items and users; three show how much of a difference is the draw's.
    seeds: tuple[int, ...] = (0, 1, 2)
    #: How many likes of a new user are known.
    known: tuple[int, ...] = (0, 1, 3, 5, 10)
    #: Of the intervals.
    level: float = 0.95
    #: Bootstrap samples of each interval.
    samples: int = 2000
    #: Whether settings of baselines are chosen on held-out training rows, or the first of each is taken unseen.
    tune: bool = True

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must be different numbers from 0, not {self.seeds}")
        if not self.known:
            raise ConfigError("known is empty; name at least one count of likes, from 0")
        require_ranges(self, {"seeds": 0, "known": 0})
