"""The sections of the comparison: each starts whom it measures, lets them take turns, and ends them.

In every repetition another variant begins, and whoever fails is taken out. A section fails with `BenchError` if
Emberline or PyTorch does, or if Emberline's fp32 vectors are not PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from emberline.bench.harness.driver import Worker
from emberline.bench.harness.measurements import THROUGHPUT, interleaved
from emberline.bench.harness.progress import Steps
from emberline.bench.harness.records import RunRecord
from emberline.bench.harness.scenarios import MS, crowd, latencies, offline, single_stream, under_load
from emberline.bench.harness.texts import MIXED, TextSet, growing_texts
from emberline.bench.harness.variants import OWN, LeftOut, Variant, in_process, own
from emberline.engine.bundle import Bundle
from emberline.engine.errors import BenchError
from emberline.engine.records import Floats

from . import places
from .building import PRECISIONS, own_variants, write_catalogue
from .evaluator import SAME_VECTORS, RankingEvaluator, closeness, completed, together
from .peak import Arithmetic, operators, peaks
from .pool import WorkerPool
from .registry import BARE
from .resume import ResumeState, record
from .settings import PeersSettings

#: Texts whose operators are profiled.
_PROFILED: Final = 64
#: Texts with which batch sizes are tried.
_TRIAL: Final = 96
#: Of saturation: a server that is well used.
SHARE: Final = 0.7
#: Texts a request of growing work, as in other offline runs.
_REQUEST: Final = 512
#: Items that a user has liked, in a request for recommendations.
_HISTORY: Final = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a comparison needs."""

    settings: PeersSettings  # how much is measured.
    bundle: Bundle  # what Emberline serves.
    run: RunRecord  # the training run that it was exported from, as the result names it.
    reference: Variant  # PyTorch, which is asked for its vectors and not timed.
    variants: Sequence[Variant]  # who is timed; Emberline's own are among them.
    left_out: Sequence[LeftOut]  # who could not even be made ready.
    sets: Sequence[TextSet]  # text sets, the mixed one first.
    items: Sequence[str]  # texts that ask for their neighbours among each other.
    evaluator: RankingEvaluator | None  # ranks by everyone's vectors; None: there is nothing to rank.
    arithmetic: Arithmetic  # what a text costs the encoder.
    work: Path  # a folder for what is made on the way.
    threads: int  # number of threads of each variant.

    def on(self, path: str, engine: str = "") -> list[Variant]:
        """Who is asked in process or over a socket; of one engine or of all."""
        return [one for one in self.variants if one.path == path and engine in ("", one.engine)]

    def cheapest(self) -> str:
        """The precision that Emberline is fastest in."""
        return next(name for name in reversed(PRECISIONS) if name in self.bundle.manifest.encoders)


@dataclass(frozen=True, slots=True)
class Sections:
    """Measures the sections of a comparison into a state, and says which step begins."""

    comparison: Comparison
    state: ResumeState
    step: Steps

    @property
    def _settings(self) -> PeersSettings:
        return self.comparison.settings

    @property
    def _mixed(self) -> TextSet:
        return self.comparison.sets[0]

    def everyone(self) -> None:
        """All variants: their vectors, all texts at once, one text at a time, and where a lone request's time goes."""
        with WorkerPool() as pool:
            self._start(pool, self.comparison.variants)
            self._compare(pool)
            self._choose_batches(pool)
            for texts in self.comparison.sets:
                self._in_bulk(pool, texts)
            self._in_parts(pool)
            self._record(pool, "process")

    def servers(self) -> None:
        """Servers with many callers, and with requests that arrive by themselves."""
        gone = {one.variant for one in self.state.left_out}
        with WorkerPool() as pool:
            chosen = [one for one in self.comparison.on("grpc") if one.name not in gone]
            self._start(pool, [*chosen, *self.comparison.on("process", OWN)])
            for worker in tuple(pool.workers):
                self.step(f"{worker.variant.name}: warming up")
                pool.attempt(worker, lambda worker: worker.encode(self._mixed.texts))
            self._with_clients(pool)
            self._by_themselves(pool)
            self._record(pool, "grpc")

    def one_thread(self) -> None:
        """Emberline with one thread, whatever the others have, and what its encoders spend it on."""
        bundle, texts = self.comparison.bundle, self._mixed.texts
        with WorkerPool() as pool:
            self._start(pool, [one for one in own_variants(bundle, 1) if one.path == "process"])
            for worker in pool.workers:
                worker.encode(texts)
            for _, worker in self._turns("one thread", pool.workers):
                self.state.measured.add(places.ONE_THREAD, worker.variant.name, offline(worker, texts, "sorted"))
        for precision in PRECISIONS:
            if precision in bundle.manifest.encoders:
                self.step(f"operators of {precision}")
                encoder, length = bundle.layout.encoder(precision), bundle.manifest.max_length
                found = operators(encoder, bundle.layout.tokenizer, length, texts[:_PROFILED])
                self.state.measured.add(places.OPERATORS, precision, found)

    def recommendations(self) -> None:
        """Emberline's server over made-up catalogues, asked for users given by the ids of what they liked."""
        comparison, settings = self.comparison, self._settings
        with WorkerPool() as pool:
            sizes: dict[Worker, int] = {}
            for count in settings.catalogues:
                self.step(f"a catalogue of {count:,} items")
                path = comparison.work / f"{count}.sqlite"
                write_catalogue(comparison.bundle, path, count, settings.seed)
                variant = own(
                    comparison.bundle, comparison.cheapest(), "recommend", comparison.threads, catalogue=str(path)
                )
                pool.start(variant)
                sizes[pool.workers[-1]] = count
            for repetition, worker in self._turns("recommendations", pool.workers):
                name, count = worker.variant.name, sizes[worker]
                first = repetition * settings.recommendations
                requests = [
                    # A prime step: neighbouring requests share no item, and items repeat within none.
                    [str((7919 * (first + request) + 101 * place) % count) for place in range(_HISTORY)]
                    for request in range(settings.recommendations)
                ]
                self.state.measured.add(places.recommending(count), name, latencies(worker.closed(requests)))
                dissected = worker.dissect([" ".join(history) for history in requests])
                self.state.measured.add(places.PARTS, f"{name}, {count:,} items", _medians(dissected))

    def growing_work(self) -> None:
        """Emberline in process, with more and more texts; vectors are dropped as they come."""
        settings, name = self._settings, in_process(self.comparison.cheapest())
        texts = growing_texts(self.comparison.bundle, max(settings.work), settings.seed)
        with WorkerPool() as pool:
            self._start(pool, [one for one in self.comparison.on("process", OWN) if one.name == name])
            worker = pool.workers[0]
            worker.encode(self._mixed.texts)
            for repetition, count in interleaved(settings.work, settings.repetitions):
                self.step(f"{count:,} texts, repetition {repetition + 1}: {name}")
                requests = [texts[start : min(start + _REQUEST, count)] for start in range(0, count, _REQUEST)]
                seconds = sum(sum(worker.closed([request])) for request in requests)
                found = {THROUGHPUT: count / seconds, places.MEMORY: worker.memory_mb()}
                self.state.measured.add(places.growing(count), name, found)

    def _start(self, pool: WorkerPool, variants: Sequence[Variant]) -> None:
        for variant in variants:
            self.step(f"{variant.name}: starting")
            pool.start(variant)

    def _turns(self, what: str, workers: Iterable[Worker]) -> Iterator[tuple[int, Worker]]:
        """Let workers take turns, and say whose it is."""
        for repetition, worker in interleaved(tuple(workers), self._settings.repetitions):
            self.step(f"{what}, repetition {repetition + 1}: {worker.variant.name}")
            yield repetition, worker

    def _compare(self, pool: WorkerPool) -> None:
        """Encode all texts once with everyone: they are warm then, and known to run the same model."""
        comparison, state = self.comparison, self.state
        ranked = comparison.evaluator.texts() if comparison.evaluator else ()
        texts = together(comparison.items, ranked, *(texts.texts for texts in comparison.sets))
        with Worker(comparison.reference) as worker:
            self.step(f"{comparison.reference.name}: vectors")
            worker.wait_until_ready()
            reference = worker.encode(texts)
        for worker in tuple(pool.workers):
            name = worker.variant.name
            self.step(f"{name}: vectors")
            vectors = pool.attempt(worker, lambda worker: worker.encode(texts))
            if vectors is None:
                continue
            found = state.close[name] = closeness(vectors, reference, len(set(comparison.items)))
            if worker.variant.precision == "fp32" and not found.cosine_minimum >= SAME_VECTORS:
                reason = f"its fp32 vectors are not PyTorch's (least cosine {found.cosine_minimum:.6f})"
                if worker.variant.engine == OWN:
                    raise BenchError(f"{name}: {reason}; pass the run that the bundle was exported from as --run")
                pool.take_out(worker, f"{reason}, so that its times say nothing")
                continue
            if comparison.evaluator:
                by_text: Mapping[str, Floats] = dict(zip(texts, completed(vectors, reference), strict=True))
                state.ranked[name] = comparison.evaluator.rank(by_text)

    def _choose_batches(self, pool: WorkerPool) -> None:
        """Find the best batch size of each variant whose batches are its caller's choice."""
        trial = self._mixed.texts[:_TRIAL]

        def fastest(worker: Worker) -> int:
            speeds = {size: worker.bulk(trial, f"sorted/{size}") for size in self._settings.batches}
            speeds[0] = worker.bulk(trial, "sorted")
            return max(speeds, key=lambda size: speeds[size])

        for worker in [worker for worker in pool.on("process") if worker.about.get("batches")]:
            self.step(f"{worker.variant.name}: batch sizes")
            if size := pool.attempt(worker, fastest):
                self.state.batches[worker.variant.name] = size

    def _in_bulk(self, pool: WorkerPool, texts: TextSet) -> None:
        """All texts at once; mixed ones also one at a time, with the peak of matrix products in every repetition."""
        measured, begun = self.state.measured, -1
        for repetition, worker in self._turns(f"{texts.name} texts", pool.workers):
            name = worker.variant.name
            if texts.name == MIXED and repetition > begun:
                begun = repetition
                self._peaks()
            if worker.variant.path == "process":
                size = self.state.batches.get(name)
                rows = [(name, "sorted"), *([(places.row_of(name, size), f"sorted/{size}")] if size else [])]
                for row, order in rows:
                    found = pool.attempt(worker, partial(offline, texts=texts.texts, order=order))
                    measured.add(places.bulk(texts.name), row, found or {})
            if texts.name == MIXED:
                ask = partial(single_stream, texts=texts.texts, count=self._settings.single, repetition=repetition)
                measured.add(places.LONE, name, pool.attempt(worker, ask) or {})

    def _peaks(self) -> None:
        for precision, peak in peaks(self.comparison.threads).items():
            self.state.measured.add(places.PEAK, precision, {places.GIGA_OPERATIONS: peak.giga_operations})
            best = self.state.peaks.setdefault(precision, peak)
            self.state.peaks[precision] = max(best, peak, key=lambda one: one.giga_operations)

    def _in_parts(self, pool: WorkerPool) -> None:
        """Where a lone request's time goes: in Emberline, in front of it, and where there is nothing but the graph."""
        count, texts, measured = self._settings.single, self._mixed.texts, self.state.measured
        asked = [one for one in pool.workers if one.variant.engine == OWN or one.variant.name in BARE.values()]
        for repetition, worker in self._turns("parts of lone requests", asked):
            chosen = [texts[(repetition * count + place) % len(texts)] for place in range(count)]
            requests = pool.attempt(worker, partial(Worker.dissect, texts=chosen))
            if requests is not None:
                measured.add(places.PARTS, worker.variant.name, _medians(requests))
                if worker.variant.path == "grpc":
                    empty = MS * median(worker.ping(count))
                    measured.add(places.PARTS, worker.variant.name, {places.EMPTY_CALL: empty})

    def _with_clients(self, pool: WorkerPool) -> None:
        """Servers kept busy by several callers, Emberline in process between them."""
        own_ones = [worker for worker in pool.on("process") if worker.variant.engine == OWN]
        for _, worker in self._turns("clients", (*pool.on("grpc"), *own_ones)):
            name, texts = worker.variant.name, self._mixed.texts
            if worker.variant.path == "process":
                self.state.measured.add(places.BESIDE, name, offline(worker, texts, "sorted"))
                continue
            for clients in self._settings.clients:
                ask = partial(crowd, texts=texts, callers=clients, seconds=self._settings.crowd_seconds)
                self.state.measured.add(places.crowd(clients), name, pool.attempt(worker, ask) or {})

    def _by_themselves(self, pool: WorkerPool) -> None:
        """Requests that arrive by themselves at a share of what Emberline's server can answer."""
        measured, settings = self.state.measured, self._settings
        own_ones = [worker for worker in pool.on("grpc") if worker.variant.engine == OWN]
        for repetition, worker in self._turns("load", own_ones):
            name = worker.variant.name
            rate = SHARE * median(measured.values(places.crowd(max(settings.clients)), name, THROUGHPUT))
            found = under_load(worker, self._mixed.texts, rate, settings.load_seconds, settings.seed + repetition)
            measured.add(places.LOAD, name, found)

    def _record(self, pool: WorkerPool, path: str) -> None:
        """Note who took part to the end, and who did not."""
        for worker in pool.on(path):
            self.state.took_part.append(record(worker, self.comparison.bundle, self.state))
        self.state.leave_out(pool.left_out)


def _medians(requests: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The parts of one repetition's requests, medians, ms."""
    return {part: MS * median(request[part] for request in requests) for part in requests[0]}


#: Of whom each is, and how it is measured, in their order.
SECTIONS: Final[Mapping[str, Callable[[Sections], None]]] = {
    "everyone": Sections.everyone,
    "servers": Sections.servers,
    "one thread": Sections.one_thread,
    "recommendations": Sections.recommendations,
    "growing work": Sections.growing_work,
}
