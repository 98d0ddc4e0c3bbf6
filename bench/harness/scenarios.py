"""One repetition of a scenario with one variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .load import MS
from .measure import P50, P90, P99, THROUGHPUT, Metric
from .summary import percentile
from .variants import Worker

#: Texts a request in MultiStream, as in MLPerf.
STREAMS: Final = 8


def single_stream(worker: Worker, texts: Sequence[str], count: int, repetition: int) -> Mapping[Metric, float]:
    """`count` requests of one text, one at a time."""
    return latencies(worker.closed(_requests(texts, count, 1, repetition)))


def multi_stream(worker: Worker, texts: Sequence[str], count: int, repetition: int) -> Mapping[Metric, float]:
    """`count` requests of eight texts, one at a time; latencies are of the whole request."""
    return latencies(worker.closed(_requests(texts, count, STREAMS, repetition)))


def offline(worker: Worker, texts: Sequence[str], order: str) -> Mapping[Metric, float]:
    """All texts at once."""
    return {THROUGHPUT: worker.bulk(texts, order)}


def _requests(texts: Sequence[str], count: int, width: int, repetition: int) -> list[list[str]]:
    """A repetition's requests: the same for every variant, others in every repetition, round and round the texts."""
    start = repetition * count * width
    return [[texts[(start + index * width + place) % len(texts)] for place in range(width)] for index in range(count)]


def latencies(seconds: Sequence[float]) -> Mapping[Metric, float]:
    """Percentiles of latencies, in ms."""
    return {metric: percentile(seconds, share) * MS for metric, share in ((P50, 50), (P90, 90), (P99, 99))}
