"""One repetition of a scenario with one variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .load import MS
from .measure import P50, P90, P99, THROUGHPUT, Metric
from .settings import LatencySettings
from .summary import percentile
from .variants import Worker

#: Texts a request in MultiStream, as in MLPerf.
STREAMS: Final = 8


def single_stream(
    worker: Worker, texts: Sequence[str], settings: LatencySettings, repetition: int
) -> Mapping[Metric, float]:
    """One request of one text at a time."""
    return _latencies(worker.closed(_requests(texts, settings.single, 1, repetition)))


def multi_stream(
    worker: Worker, texts: Sequence[str], settings: LatencySettings, repetition: int
) -> Mapping[Metric, float]:
    """One request of eight texts at a time; latencies are of the whole request."""
    return _latencies(worker.closed(_requests(texts, settings.multi, STREAMS, repetition)))


def offline(worker: Worker, texts: Sequence[str], order: str) -> Mapping[Metric, float]:
    """All texts at once."""
    return {THROUGHPUT: worker.bulk(texts, order)}


def _requests(texts: Sequence[str], count: int, width: int, repetition: int) -> list[list[str]]:
    """A repetition's requests: the same for every variant, others in every repetition, round and round the texts."""
    start = repetition * count * width
    return [[texts[(start + index * width + place) % len(texts)] for place in range(width)] for index in range(count)]


def _latencies(seconds: Sequence[float]) -> Mapping[Metric, float]:
    return {metric: percentile(seconds, share) * MS for metric, share in ((P50, 50), (P90, 90), (P99, 99))}
