"""One repetition of a scenario with one variant, after MLPerf Inference.

SingleStream and MultiStream send requests one at a time, Offline gives all texts at once, and Server lets requests
arrive by themselves (Poisson), whether or not the variant keeps up: how much can it answer at all (saturation), at
which rate does its p99 still stay under a bound, and what does a request take at a given share of saturation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import psutil

from emberline.engine.errors import BenchError

from .driver import Worker
from .measurements import P50, P90, P99, THROUGHPUT, percentile

#: Texts a request in MultiStream, as in MLPerf.
STREAMS: Final = 8
#: The share of late answers that the bound forgives: it is put on p99.
LATE: Final = 0.01
#: Seconds to milliseconds.
MS: Final = 1e3
#: Under load, how late the generator itself sent, p99, ms; part of the latencies, and has to be small beside them.
LAG: Final = "lag_p99"
#: Under load, requests answered by an error.
UNANSWERED: Final = "unanswered"
#: Under load, requests a second that were sent.
OFFERED: Final = "offered"
#: In a crowd, the time that an answer takes of the CPU, ms.
CLIENT_MS: Final = "client_ms"
SERVER_MS: Final = "server_ms"
#: The search begins here, as a multiple of saturation: above 1, because a measured saturation has its error too.
_CEILING: Final = 1.1


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Arrival times of a Poisson process.

    The gaps are drawn at unit rate and then divided by `rate`: the same seed gives every variant the same pattern of
    bursts, faster or slower, so that no variant is favoured by luck.

    Returns:
        Ascending times in seconds, at least one.
    """
    count = max(1, round(rate * seconds))
    gaps = np.random.default_rng(seed).exponential(1.0, count)
    return [float(time) for time in np.cumsum(gaps) / rate]


def single_stream(worker: Worker, texts: Sequence[str], count: int, repetition: int) -> Mapping[str, float]:
    """`count` requests of one text, one at a time."""
    return latencies(worker.closed(_requests(texts, count, 1, repetition)))


def multi_stream(worker: Worker, texts: Sequence[str], count: int, repetition: int) -> Mapping[str, float]:
    """`count` requests of eight texts, one at a time; latencies are of the whole request."""
    return latencies(worker.closed(_requests(texts, count, STREAMS, repetition)))


def offline(worker: Worker, texts: Sequence[str], order: str) -> Mapping[str, float]:
    """All texts at once."""
    return {THROUGHPUT: worker.bulk(texts, order)}


def under_load(worker: Worker, texts: Sequence[str], rate: float, seconds: float, seed: int) -> Mapping[str, float]:
    """Requests that arrive at `rate` a second; latencies from the scheduled arrival, infinite without an answer."""
    found = worker.open(texts, poisson(rate, seconds, seed))
    lost = sum(latency is None for latency in found.latencies)
    return {**latencies(found.latencies), LAG: percentile(found.lags, 99) * MS, UNANSWERED: lost, OFFERED: rate}


def crowd(worker: Worker, texts: Sequence[str], callers: int, seconds: float) -> Mapping[str, float]:
    """A server kept busy by so many callers: what it answers, and what an answer takes of the CPU, ms.

    Raises:
        BenchError: one of its processes has ended.
    """
    try:
        before = worker.cpu_seconds()
        rate, waited = worker.saturate(texts, callers, seconds)
        spent = [MS * (now - then) / len(waited) for now, then in zip(worker.cpu_seconds(), before, strict=True)]
    except psutil.Error as error:
        raise BenchError(f"{worker.variant.name} cannot be measured: one of its processes has ended") from error
    return {THROUGHPUT: rate, **latencies(waited), CLIENT_MS: spent[0], SERVER_MS: spent[1]}


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
        return not worker.open(texts, poisson(rate, seconds, seed), bound_ms / MS, LATE).stopped

    return bisect(holds, saturation * _CEILING, probes)


def bisect(holds: Callable[[float], bool], ceiling: float, probes: int) -> float:
    """The highest value found in (0, ceiling) for which `holds` is true, by halving; 0 if it never is."""
    low, high = 0.0, ceiling
    for _ in range(probes):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def latencies(seconds: Sequence[float | None]) -> Mapping[str, float]:
    """Percentiles of latencies, in ms."""
    return {metric: percentile(seconds, share) * MS for metric, share in ((P50, 50), (P90, 90), (P99, 99))}


def _requests(texts: Sequence[str], count: int, width: int, repetition: int) -> list[list[str]]:
    """A repetition's requests: the same for every variant, others in every repetition, round and round the texts."""
    start = repetition * count * width
    return [[texts[(start + index * width + place) % len(texts)] for place in range(width)] for index in range(count)]
