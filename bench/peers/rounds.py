"""The rounds of the comparison. In each, variants take turns, and every repetition begins with another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Final

import psutil

from emberline.bench.harness.driver import Worker
from emberline.bench.harness.measurements import THROUGHPUT, Measurements, interleaved
from emberline.bench.harness.progress import Steps
from emberline.bench.harness.scenarios import MS, latencies, offline, single_stream, under_load
from emberline.bench.harness.texts import MIXED, TextSet
from emberline.bench.harness.variants import OWN
from emberline.engine.errors import BenchError

from .gemm import Peak
from .pool import WorkerPool
from .processes import cpu_seconds
from .registry import BARE
from .resume import ResumeState
from .settings import PeersSettings

#: Sections of the measurements.
LONE: Final = f"SingleStream, {MIXED}"
ONE_THREAD: Final = "Offline, one thread"
BESIDE: Final = "Offline beside clients"
LOAD: Final = "70 % load"
PARTS: Final = "Parts"
OPERATORS: Final = "Operators"
PEAK: Final = "Peak"
#: Metrics of their own.
CLIENT_MS: Final = "client_ms"
SERVER_MS: Final = "server_ms"
MEMORY: Final = "memory_mb"
GIGA_OPERATIONS: Final = "giga_operations"
EMPTY_CALL: Final = "empty call"

#: Texts with which batch sizes are tried.
_TRIAL: Final = 96
#: Of saturation: a server that is well used.
SHARE: Final = 0.7
#: Texts a request of growing work, as in other offline runs.
_REQUEST: Final = 512
#: Items that a user has liked, in a request for recommendations.
_HISTORY: Final = 10
_BATCHES: Final = ", batches of "


def bulk(texts: str) -> str:
    """The section of all texts of a set at once."""
    return f"Offline, {texts}"


def crowd(clients: int) -> str:
    """The section of so many callers."""
    return f"{clients} clients"


def recommending(count: int) -> str:
    """The section of recommendations out of so many items."""
    return f"Recommend of {count:,}"


def growing(count: int) -> str:
    """The section of an offline run of so many texts."""
    return f"Work of {count:,}"


def row_of(variant: str, size: int) -> str:
    """The name of the row for a variant with another batch size than its default."""
    return f"{variant}{_BATCHES}{size}"


def variant_of(row: str) -> str:
    """The variant that a row is of."""
    return row.partition(_BATCHES)[0]


def choose_batches(pool: WorkerPool, texts: TextSet, state: ResumeState, settings: PeersSettings, step: Steps) -> None:
    """Find the best batch size of each variant whose batches are its caller's choice."""
    trial = texts.texts[:_TRIAL]
    for worker in [worker for worker in pool.on("process") if worker.about.get("batches")]:
        name = worker.variant.name
        step(f"{name}: batch sizes")

        def fastest(worker: Worker) -> int:
            speeds = {size: worker.bulk(trial, f"sorted/{size}") for size in settings.batches}
            speeds[0] = worker.bulk(trial, "sorted")
            return max(speeds, key=lambda size: speeds[size])

        size = pool.attempt(worker, fastest)
        if size:
            state.batches[name] = size


def in_bulk(
    pool: WorkerPool,
    sets: Sequence[TextSet],
    state: ResumeState,
    settings: PeersSettings,
    measure: Callable[[], Mapping[str, Peak]],
    step: Steps,
) -> None:
    """All texts at once, and one at a time; on the mixed texts with the peak of matrix products in every repetition."""
    for texts in sets:
        begun = -1
        for repetition, worker in interleaved(tuple(pool.workers), settings.repetitions):
            name = worker.variant.name
            where = f"{texts.name} texts, repetition {repetition + 1}: {name}"
            if texts.name == MIXED and repetition > begun:
                begun = repetition
                step(f"repetition {repetition + 1}: peak of matrix products")
                for precision, peak in measure().items():
                    state.measured.add(PEAK, precision, {GIGA_OPERATIONS: peak.giga_operations})
                    best = state.peaks.setdefault(precision, peak)
                    state.peaks[precision] = max(best, peak, key=lambda one: one.giga_operations)
            if worker.variant.path == "process":
                for row, order in _orders(name, state.batches.get(name)):
                    step(f"offline, {where}")
                    found = pool.attempt(worker, partial(offline, texts=texts.texts, order=order))
                    state.measured.add(bulk(texts.name), row, found or {})
            if texts.name == MIXED:
                step(f"lone requests, {where}")
                ask = partial(single_stream, texts=texts.texts, count=settings.single, repetition=repetition)
                state.measured.add(LONE, name, pool.attempt(worker, ask) or {})


def in_parts(pool: WorkerPool, texts: TextSet, measured: Measurements, settings: PeersSettings, step: Steps) -> None:
    """Where a lone request's time goes: in Emberline, in front of it, and where there is nothing but the graph."""
    asked = [one for one in pool.workers if one.variant.engine == OWN or one.variant.name in BARE.values()]
    for repetition, worker in interleaved(asked, settings.repetitions):
        name = worker.variant.name
        step(f"parts of lone requests, repetition {repetition + 1}: {name}")
        first = repetition * settings.single
        chosen = [texts.texts[(first + place) % len(texts.texts)] for place in range(settings.single)]
        requests = pool.attempt(worker, partial(Worker.dissect, texts=chosen))
        if requests is None:
            continue
        measured.add(PARTS, name, _medians(requests))
        if worker.variant.path == "grpc":
            measured.add(PARTS, name, {EMPTY_CALL: MS * median(worker.ping(settings.single))})


def with_one_thread(
    pool: WorkerPool, texts: TextSet, measured: Measurements, settings: PeersSettings, step: Steps
) -> None:
    """All texts at once, by engines that compute with one thread."""
    for worker in pool.workers:
        worker.encode(texts.texts)
    for repetition, worker in interleaved(tuple(pool.workers), settings.repetitions):
        name = worker.variant.name
        step(f"one thread, repetition {repetition + 1}: {name}")
        measured.add(ONE_THREAD, name, offline(worker, texts.texts, "sorted"))


def with_clients(
    pool: WorkerPool, texts: TextSet, measured: Measurements, settings: PeersSettings, step: Steps
) -> None:
    """Servers kept busy by several callers, Emberline in process between them."""
    own = [worker for worker in pool.on("process") if worker.variant.engine == OWN]
    for repetition, worker in interleaved((*pool.on("grpc"), *own), settings.repetitions):
        name = worker.variant.name
        if worker.variant.path == "process":
            step(f"clients, repetition {repetition + 1}: {name}, offline")
            measured.add(BESIDE, name, offline(worker, texts.texts, "sorted"))
            continue
        for clients in settings.clients:
            step(f"{clients} clients, repetition {repetition + 1}: {name}")
            waiting = partial(_crowded, texts=texts.texts, callers=clients, seconds=settings.crowd_seconds)
            measured.add(crowd(clients), name, pool.attempt(worker, waiting) or {})


def _crowded(worker: Worker, texts: Sequence[str], callers: int, seconds: float) -> Mapping[str, float]:
    """Keep a server busy; what it answers, and what an answer takes of the CPU, ms."""

    def used() -> tuple[float, float]:
        return cpu_seconds(worker.pid, family=False), cpu_seconds(worker.model_pid, family=True)

    try:
        before = used()
        rate, waited = worker.saturate(texts, callers, seconds)
        client, server = (MS * (now - then) / len(waited) for now, then in zip(used(), before, strict=True))
    except psutil.Error as error:
        raise BenchError(f"{worker.variant.name} cannot be measured: one of its processes has ended") from error
    return {THROUGHPUT: rate, **latencies(waited), CLIENT_MS: client, SERVER_MS: server}


def by_themselves(
    pool: WorkerPool, texts: TextSet, measured: Measurements, settings: PeersSettings, step: Steps
) -> None:
    """Requests that arrive by themselves at a share of what Emberline's server can answer."""
    most = crowd(max(settings.clients))
    own = [worker for worker in pool.on("grpc") if worker.variant.engine == OWN]
    for repetition, worker in interleaved(own, settings.repetitions):
        name = worker.variant.name
        step(f"load, repetition {repetition + 1}: {name}")
        rate = SHARE * median(measured.values(most, name, THROUGHPUT))
        found = under_load(worker, texts.texts, rate, settings.load_seconds, settings.seed + repetition)
        measured.add(LOAD, name, found)


def of_recommendations(
    workers: Sequence[tuple[int, Worker]], measured: Measurements, settings: PeersSettings, step: Steps
) -> None:
    """Recommendations for users given by the ids of what they liked, by servers with catalogues of such sizes."""
    for repetition, (count, worker) in interleaved(workers, settings.repetitions):
        step(f"recommendations, repetition {repetition + 1}: {count:,} items")
        first = repetition * settings.recommendations
        requests = [
            # A prime step: neighbouring requests share no item, and items repeat within none.
            [str((7919 * (first + request) + 101 * place) % count) for place in range(_HISTORY)]
            for request in range(settings.recommendations)
        ]
        name = worker.variant.name
        measured.add(recommending(count), name, latencies(worker.closed(requests)))
        dissected = worker.dissect([" ".join(history) for history in requests])
        measured.add(PARTS, f"{name}, {count:,} items", _medians(dissected))


def of_growing_work(
    worker: Worker, texts: Sequence[str], measured: Measurements, settings: PeersSettings, step: Steps
) -> None:
    """Offline runs of growing size; vectors are dropped as they come, as by someone who writes them away."""
    name = worker.variant.name
    for repetition, count in interleaved(settings.work, settings.repetitions):
        step(f"{count:,} texts, repetition {repetition + 1}: {name}")
        requests = [texts[start : min(start + _REQUEST, count)] for start in range(0, count, _REQUEST)]
        seconds = sum(sum(worker.closed([request])) for request in requests)
        measured.add(growing(count), name, {THROUGHPUT: count / seconds, MEMORY: worker.memory_mb()})


def _medians(requests: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The parts of one repetition's requests, medians, ms."""
    return {part: MS * median(request[part] for request in requests) for part in requests[0]}


def _orders(name: str, size: int | None) -> list[tuple[str, str]]:
    """The rows that a variant has offline, each with the order that it is asked for."""
    return [(name, "sorted"), *([(row_of(name, size), f"sorted/{size}")] if size else [])]
