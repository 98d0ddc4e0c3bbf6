"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, Literal, get_args

from emberline.engine.devices import DEVICES, Device
from emberline.engine.errors import ConfigError

Scenario = Literal["SingleStream", "MultiStream", "Offline", "Server"]
SCENARIOS: Final[tuple[Scenario, ...]] = get_args(Scenario)


class CpuPrecision(StrEnum):
    """A precision that the CPU runs, dearest first."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySettings:
    """What `bench latency` measures and for how long. The command line reads its defaults from here.

    Raises:
        ConfigError: a setting is out of its range.
    """

    #: What runs Emberline's encoder; on a GPU, PyTorch runs there as well. One alone: the bench measures no fallback.
    device: Device = "cpu"
    #: What is put to the variants.
    scenarios: tuple[Scenario, ...] = SCENARIOS
    #: Text sets; see `texts.text_set`.
    texts: tuple[str, ...] = ("mixed",)
    #: Texts a set, which is what Offline encodes: enough that sorting them by length shows what it is worth.
    count: int = 384
    #: The median of five is not moved by two that were disturbed.
    repetitions: int = 5
    #: Of the texts' choice and of the arrivals.
    seed: int = 1
    #: Requests a repetition in SingleStream; p99 of 200 is the second or third slowest.
    single: int = 200
    #: Requests of eight texts a repetition in MultiStream.
    multi: int = 25
    #: Callers that keep the server busy to find its saturation: more than it can work on at once.
    callers: int = 32
    #: Seconds of saturation a repetition.
    saturation_seconds: float = 3.0
    #: Seconds of each load a repetition.
    load_seconds: float = 5.0
    #: Milliseconds under which p99 has to stay in the search for the highest rate. MLPerf gives BERT-large 130.
    bound_ms: float = 100.0
    #: Rates tried in each search: six leave an error of 2 % of saturation; 0 leaves the search out.
    probes: int = 6
    #: Seconds a rate is tried.
    probe_seconds: float = 5.0
    #: Whether every precision goes through gRPC and under load, or only the cheapest one through gRPC, and that
    #: and the reference under load.
    complete: bool = True

    def __post_init__(self) -> None:
        _check_device(self.device)
        for scenario in self.scenarios:
            if scenario not in SCENARIOS:
                raise ConfigError(f"there is no scenario {scenario!r}; choose from {', '.join(SCENARIOS)}")
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0.01 if isinstance(value, float) else {"seed": 0, "probes": 0}.get(field.name, 1)
            if isinstance(value, int | float) and value < least and not isinstance(value, bool):
                raise ConfigError(f"{field.name} is {value}; it must be at least {least}")

    @classmethod
    def quick(cls) -> LatencySettings:
        """A first impression within a minute or so, on two cores; too short for publishing."""
        return cls(
            count=48,
            repetitions=3,
            single=30,
            multi=4,
            saturation_seconds=1.0,
            load_seconds=1.5,
            probes=0,
            complete=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallSettings:
    """What `bench recall` measures. The command line reads its defaults from here.

    Raises:
        ConfigError: a setting is out of its range.
    """

    #: What runs Emberline's encoder. PyTorch answers on the CPU: what is compared are values.
    device: Device = "cpu"
    #: Of the bootstrap and the random baseline.
    seed: int = 1
    #: Confidence of the intervals.
    level: float = 0.95

    def __post_init__(self) -> None:
        _check_device(self.device)
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must be at least 0")
        if not 0 < self.level < 1:
            raise ConfigError(f"level is {self.level}; it must lie between 0 and 1")


def _check_device(device: str) -> None:
    if device not in DEVICES:
        raise ConfigError(f"device is {device!r}; measure one of {', '.join(DEVICES)}")
