"""The Server scenario: requests that arrive by themselves (Poisson), whether or not the server keeps up.

Three questions, after MLPerf Inference: how much can it answer at all (saturation), at which rate does its p99 still
stay under a bound, and what does a request take at a given share of saturation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from .arrivals import poisson
from .summary import Summary, percentile
from .variants import Worker

#: Shares of saturation at which latencies are taken: a calm server, a well-used one, one near its limit.
SHARES: Final = (0.5, 0.7, 0.9)
#: The share of late answers that the bound forgives: it is put on p99.
LATE: Final = 0.01
#: Seconds to milliseconds.
MS: Final = 1e3
#: The search begins here, as a multiple of saturation: above 1, because a measured saturation has its error too.
_CEILING: Final = 1.1


@dataclass(frozen=True, slots=True)
class Load:
    """What a variant made of requests that arrive at one rate.

    Attributes:
        latencies: p50, p90 and p99 from the scheduled arrival, ms; infinite where that many had no answer.
        lag: how late the generator itself sent, p99, ms; it is part of the latencies and has to be small beside them.
        unanswered: requests answered by an error.
    """

    latencies: tuple[float, float, float]
    lag: float
    unanswered: int


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """The same over all repetitions.

    Attributes:
        texts: the text set's name.
        variant: the variant's name.
        share: of the variant's own saturation.
        rate: offered, requests a second.
        p50: ms.
        p90: ms.
        p99: ms.
        lag_p99: ms.
        unanswered: requests answered by an error, all repetitions together.
    """

    texts: str
    variant: str
    share: float
    rate: float
    p50: Summary
    p90: Summary
    p99: Summary
    lag_p99: Summary
    unanswered: int


def under_load(worker: Worker, texts: Sequence[str], rate: float, seconds: float, seed: int) -> Load:
    """Let requests arrive at `rate` and take their latencies."""
    answer = worker.open(texts, poisson(rate, seconds, seed))
    latencies = answer["latencies"]
    return Load(
        (
            percentile(latencies, 50) * MS,
            percentile(latencies, 90) * MS,
            percentile(latencies, 99) * MS,
        ),
        percentile(answer["lags"], 99) * MS,
        sum(latency is None for latency in latencies),
    )


def point(texts: str, variant: str, share: float, rate: float, loads: Sequence[Load]) -> LoadPoint:
    """Repetitions of one load as one point."""
    p50, p90, p99 = (Summary.of([load.latencies[index] for load in loads]) for index in range(3))
    lag = Summary.of([load.lag for load in loads])
    return LoadPoint(texts, variant, share, rate, p50, p90, p99, lag, sum(load.unanswered for load in loads))


def highest_rate(
    worker: Worker, texts: Sequence[str], saturation: float, *, bound_ms: float, seconds: float, probes: int, seed: int
) -> float:
    """The highest rate found at which p99 stays under the bound, requests a second; 0 if none did.

    Args:
        worker: answers.
        texts: the requests' texts.
        saturation: what the variant can answer at most, requests a second.
        bound_ms: on p99.
        seconds: how long each rate is tried; a rate that fails is left early.
        probes: how many rates are tried; each halves what is left of the range.
        seed: of the arrivals, the same pattern for every rate.
    """

    def holds(rate: float) -> bool:
        answer = worker.open(texts, poisson(rate, seconds, seed), bound_ms / MS, LATE)
        return not answer["stopped"]

    return bisect(holds, saturation * _CEILING, probes)


def bisect(holds: Callable[[float], bool], ceiling: float, probes: int) -> float:
    """The highest value found in (0, ceiling) for which `holds` is true, by halving; 0 if it never is."""
    low, high = 0.0, ceiling
    for _ in range(probes):
        middle = (low + high) / 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
