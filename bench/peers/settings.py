"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass

from emberline.bench.harness.settings import require_ranges
from emberline.engine.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersSettings:
    """What `bench peers` measures and for how long. The command line reads its defaults from here.

    Raises:
        ConfigError: a setting is out of its range.
    """

    #: Texts a set: enough that sorting them by length shows what it is worth.
    count: int = 384
    #: Texts of the greatest length. Sorting is worth nothing among them, so fewer show what arithmetic costs.
    longest: int = 128
    #: The median of five is not moved by two that were disturbed.
    repetitions: int = 5
    #: Of the texts' choice, the arrivals and the made-up catalogues.
    seed: int = 1
    #: Lone requests a repetition; their p99 is the slowest or the second slowest.
    single: int = 100
    #: Texts a batch that are tried for peers whose batch size is their caller's choice, besides their default.
    batches: tuple[int, ...] = (1, 4, 8, 16)
    #: How many callers keep a server busy.
    clients: tuple[int, ...] = (8, 32)
    #: Seconds of that a repetition. The p99 of 200 answers a second is then the 12th slowest.
    crowd_seconds: float = 6.0
    #: Seconds of load at 70 % of saturation a repetition.
    load_seconds: float = 15.0
    #: Items of the made-up catalogues out of which is recommended: MovieLens-100K's number, and many.
    catalogues: tuple[int, ...] = (1_682, 200_000)
    #: Recommendations a repetition.
    recommendations: int = 100
    #: Growing numbers of short texts, each an offline run of its own.
    work: tuple[int, ...] = (1_000, 10_000, 100_000)

    def __post_init__(self) -> None:
        require_ranges(self, {"seed": 0})
        for name in ("clients", "catalogues", "work"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is empty; name at least one number")
        if self.count < max(self.clients):
            # Emberline encodes a text once for all who ask for it at the same time, which would flatter it.
            raise ConfigError(
                f"count is {self.count}; it must be at least {max(self.clients)}, so that no two clients ask for the "
                "same text at a time"
            )

    @classmethod
    def quick(cls) -> PeersSettings:
        """A first impression within some minutes; too short for publishing."""
        return cls(
            count=64,
            longest=24,
            repetitions=2,
            single=20,
            batches=(8,),
            crowd_seconds=1.0,
            load_seconds=2.0,
            catalogues=(1_682, 20_000),
            recommendations=30,
            work=(200, 1_000),
        )
