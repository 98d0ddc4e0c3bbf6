"""The rounds of the comparison. In each, variants take turns, and every repetition begins with another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Final

from emberline.bench.harness.load import MS, under_load
from emberline.bench.harness.measure import THROUGHPUT, Metric, Samples, interleaved
from emberline.bench.harness.progress import Steps
from emberline.bench.harness.scenarios import latencies, offline, single_stream
from emberline.bench.harness.texts import TextSet
from emberline.bench.harness.variants import Worker
from emberline.engine.errors import BenchError

from .gemm import Peak
from .measurements import Notes, Spent, Work, row_of, values
from .pool import OWN, Field
from .processes import cpu_seconds
from .registry import BARE
from .settings import PeersSettings
from .texts import MIXED

#: Texts with which batch sizes are tried.
_TRIAL: Final = 96
#: Of saturation: a server that is well used.
SHARE: Final = 0.7
#: Texts a request of growing work, as in other offline runs.
_REQUEST: Final = 512
#: Items that a user has liked, in a request for recommendations.
_HISTORY: Final = 10

Measure = Callable[[], dict[str, Peak]]


def choose_batches(field: Field, texts: TextSet, notes: Notes, settings: PeersSettings, step: Steps) -> None:
    """Find the best batch size of each variant whose batches are its caller's choice."""
    trial = texts.texts[:_TRIAL]
    for worker in [worker for worker in field.on("process") if worker.about.get("batches")]:
        name = worker.variant.name
        step(f"{name}: batch sizes")

        def fastest(worker: Worker) -> int:
            speeds = {size: worker.bulk(trial, f"sorted/{size}") for size in settings.batches}
            speeds[0] = worker.bulk(trial, "sorted")
            return max(speeds, key=lambda size: speeds[size])

        size = field.attempt(worker, fastest)
        if size:
            notes.batches[name] = size


def in_bulk(
    field: Field, sets: Sequence[TextSet], notes: Notes, settings: PeersSettings, measure: Measure, step: Steps
) -> None:
    """All texts at once, and one at a time; on the mixed texts with the peak of matrix products in every repetition."""
    for texts in sets:
        notes.counts[texts.name] = len(texts.texts)
        collected = notes.offline[texts.name] = Samples(texts.name, "Offline")
        begun = -1
        for repetition, worker in interleaved(tuple(field.workers), settings.repetitions):
            name = worker.variant.name
            where = f"{texts.name} texts, repetition {repetition + 1}: {name}"
            if texts.name == MIXED and repetition > begun:
                begun = repetition
                step(f"repetition {repetition + 1}: peak of matrix products")
                for precision, peak in measure().items():
                    notes.peaks.setdefault(precision, []).append(peak)
            if worker.variant.path == "process":
                for row, order in _orders(name, notes):
                    step(f"offline, {where}")
                    found = field.attempt(worker, partial(offline, texts=texts.texts, order=order))
                    if found:
                        collected.add(row, found)
            if texts.name == MIXED:
                step(f"lone requests, {where}")
                count = settings.single
                lone = field.attempt(
                    worker, partial(single_stream, texts=texts.texts, count=count, repetition=repetition)
                )
                if lone:
                    notes.lone.add(name, lone)


def in_parts(field: Field, texts: TextSet, notes: Notes, settings: PeersSettings, step: Steps) -> None:
    """Where a lone request's time goes: in Emberline, in front of it, and where there is nothing but the graph."""
    asked = [one for one in field.workers if one.variant.engine == OWN or one.variant.name in BARE.values()]
    for repetition, worker in interleaved(asked, settings.repetitions):
        name = worker.variant.name
        step(f"parts of lone requests, repetition {repetition + 1}: {name}")
        first = repetition * settings.single
        chosen = [texts.texts[(first + place) % len(texts.texts)] for place in range(settings.single)]
        requests = field.attempt(worker, partial(Worker.dissect, texts=chosen))
        if requests is None:
            continue
        _note_parts(notes, name, requests)
        if worker.variant.path == "grpc":
            empty = MS * median(worker.ping(settings.single))
            notes.parts[name].setdefault("empty call", []).append(empty)


def _note_parts(notes: Notes, name: str, requests: Sequence[Mapping[str, float]]) -> None:
    """Note the medians of one repetition."""
    for part in requests[0]:
        found = MS * median(request[part] for request in requests)
        notes.parts.setdefault(name, {}).setdefault(part, []).append(found)


def with_one_thread(field: Field, texts: TextSet, notes: Notes, settings: PeersSettings, step: Steps) -> None:
    """All texts at once, by engines that compute with one thread."""
    for worker in field.workers:
        worker.encode(texts.texts)
    for repetition, worker in interleaved(tuple(field.workers), settings.repetitions):
        name = worker.variant.name
        step(f"one thread, repetition {repetition + 1}: {name}")
        notes.one_thread.add(name, offline(worker, texts.texts, "sorted"))


def with_clients(field: Field, texts: TextSet, notes: Notes, settings: PeersSettings, step: Steps) -> None:
    """Servers kept busy by several callers, Emberline in process between them."""
    for clients in settings.clients:
        notes.crowds[clients] = Samples(texts.name, f"{clients} clients")
    own = [worker for worker in field.on("process") if worker.variant.engine == OWN]
    for repetition, worker in interleaved((*field.on("grpc"), *own), settings.repetitions):
        name = worker.variant.name
        if worker.variant.path == "process":
            step(f"clients, repetition {repetition + 1}: {name}, offline")
            notes.beside.add(name, offline(worker, texts.texts, "sorted"))
            continue
        for clients, collected in notes.crowds.items():
            step(f"{clients} clients, repetition {repetition + 1}: {name}")
            waiting = partial(_crowded, texts=texts.texts, callers=clients, seconds=settings.crowd_seconds)
            found = field.attempt(worker, waiting)
            if found:
                metrics, spent = found
                collected.add(name, metrics)
                notes.spent.setdefault(clients, {}).setdefault(name, []).append(spent)


def _crowded(
    worker: Worker, texts: Sequence[str], callers: int, seconds: float
) -> tuple[Mapping[Metric, float], Spent]:
    """Keep a server busy; what it answers, and what that takes of the CPU."""

    def used() -> tuple[float, float]:
        return cpu_seconds(worker.pid, family=False), cpu_seconds(worker.model_pid, family=True)

    try:
        before = used()
        rate, waited = worker.crowd(texts, callers, seconds)
        client, server = (MS * (now - then) / len(waited) for now, then in zip(used(), before, strict=True))
    except OSError as error:
        raise BenchError(f"{worker.variant.name} cannot be measured: one of its processes has ended") from error
    return {THROUGHPUT: rate, **latencies(waited)}, Spent(client, server)


def by_themselves(field: Field, texts: TextSet, notes: Notes, settings: PeersSettings, step: Steps) -> None:
    """Requests that arrive by themselves at a share of what Emberline's server can answer."""
    most = notes.crowds[max(notes.crowds)]
    own = [worker for worker in field.on("grpc") if worker.variant.engine == OWN]
    for worker in own:
        name = worker.variant.name
        notes.rates[name] = SHARE * median(values(most, name, THROUGHPUT))
    for repetition, worker in interleaved(own, settings.repetitions):
        name = worker.variant.name
        step(f"load, repetition {repetition + 1}: {name}")
        seed = settings.seed + repetition
        found = under_load(worker, texts.texts, notes.rates[name], settings.load_seconds, seed)
        notes.loads.setdefault(name, []).append(found)


def of_recommendations(
    workers: Sequence[tuple[int, Worker]], notes: Notes, settings: PeersSettings, step: Steps
) -> None:
    """Recommendations for users given by the ids of what they liked.

    Args:
        workers: with the size of the catalogue that each has.
        notes: where the latencies go.
        settings: how many.
        step: is told what is being done.
    """
    for count, _ in workers:
        notes.recommendations[count] = Samples("histories", f"Recommend of {count:,}")
    for repetition, (count, worker) in interleaved(workers, settings.repetitions):
        step(f"recommendations, repetition {repetition + 1}: {count:,} items")
        first = repetition * settings.recommendations
        requests = [
            # A prime step: neighbouring requests share no item, and items repeat within none.
            [str((7919 * (first + request) + 101 * place) % count) for place in range(_HISTORY)]
            for request in range(settings.recommendations)
        ]
        name = worker.variant.name
        notes.recommendations[count].add(name, latencies(worker.closed(requests)))
        dissected = worker.dissect([" ".join(history) for history in requests])
        _note_parts(notes, f"{name}, {count:,} items", dissected)


def of_growing_work(worker: Worker, texts: Sequence[str], notes: Notes, settings: PeersSettings, step: Steps) -> None:
    """Offline runs of growing size; vectors are dropped as they come, as by someone who writes them away."""
    for repetition, count in interleaved(settings.work, settings.repetitions):
        step(f"{count:,} texts, repetition {repetition + 1}: {worker.variant.name}")
        seconds = 0.0
        for start in range(0, count, _REQUEST):
            seconds += sum(worker.closed([texts[start : min(start + _REQUEST, count)]]))
        notes.work.setdefault(count, []).append(Work(count / seconds, worker.memory_mb()))


def _orders(name: str, notes: Notes) -> list[tuple[str, str]]:
    """The rows that a variant has offline, each with the order that it is asked for."""
    rows = [(name, "sorted")]
    if name in notes.batches:
        size = notes.batches[name]
        rows.append((row_of(name, size), f"sorted/{size}"))
    return rows
