"""How much `bench latency` measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from emberline.bench.harness.settings import require_ranges
from emberline.engine.devices import Device
from emberline.engine.errors import ConfigError

Scenario = Literal["SingleStream", "MultiStream", "Offline", "Server"]
SCENARIOS: Final[tuple[Scenario, ...]] = get_args(Scenario)


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
    #: Whether the cheapest precision is asked by the contracts of other servers, too: OpenAI's, TEI's and KServe's.
    contracts: bool = False

    def __post_init__(self) -> None:
        for scenario in self.scenarios:
            if scenario not in SCENARIOS:
                raise ConfigError(f"there is no scenario {scenario!r}; choose from {', '.join(SCENARIOS)}")
        require_ranges(self, {"seed": 0, "probes": 0})

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
