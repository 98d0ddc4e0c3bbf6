"""How `bench recall` measures."""

from __future__ import annotations

from dataclasses import dataclass

from emberline.bench.harness.settings import require_ranges
from emberline.engine.devices import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallSettings:
    """What `bench recall` measures. The command line reads its defaults from here.

    Raises:
        ConfigError: a setting is out of its range.
    """

    #: What runs Emberline's encoder. PyTorch predictions on the CPU: what is compared are values.
    device: Device = "cpu"
    #: Of the bootstrap and the random baseline.
    seed: int = 1
    #: Confidence of the intervals.
    level: float = 0.95

    def __post_init__(self) -> None:
        require_ranges(self, {"seed": 0})
