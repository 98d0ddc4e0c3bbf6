"""The sections of the comparison. Each starts whom it measures and ends them, so that it can be made alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emberline.bench.harness.driver import Worker
from emberline.bench.harness.progress import Steps
from emberline.bench.harness.records import RunRecord
from emberline.bench.harness.texts import TextSet, growing_texts
from emberline.bench.harness.variants import OWN, LeftOut, Variant, in_process, own
from emberline.engine.bundle import Bundle
from emberline.engine.errors import BenchError
from emberline.engine.records import Floats

from . import rounds
from .arithmetic import Arithmetic
from .building import PRECISIONS, own_variants
from .catalogues import write_catalogue
from .closeness import SAME_VECTORS, closeness, together
from .evaluator import RankingEvaluator
from .gemm import peaks
from .operators import operators
from .pool import WorkerPool
from .records import record
from .resume import ResumeState
from .settings import PeersSettings

#: Texts whose operators are profiled.
_PROFILED: Final = 64


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a comparison needs.

    Attributes:
        settings: how much is measured.
        bundle: what Emberline serves.
        run: the training run that it was exported from, as the result names it.
        reference: PyTorch, which is asked for its vectors and not timed.
        variants: who is timed; Emberline's own are among them.
        left_out: who could not even be made ready.
        sets: text sets, the mixed one first.
        items: texts that ask for their neighbours among each other.
        evaluator: ranks by everyone's vectors; None: there is nothing to rank.
        arithmetic: of the encoder.
        work: a folder for what is made on the way.
        threads: that each variant computes with.
    """

    settings: PeersSettings
    bundle: Bundle
    run: RunRecord
    reference: Variant
    variants: Sequence[Variant]
    left_out: Sequence[LeftOut]
    sets: Sequence[TextSet]
    items: Sequence[str]
    evaluator: RankingEvaluator | None
    arithmetic: Arithmetic
    work: Path
    threads: int

    def on(self, path: str, engine: str = "") -> list[Variant]:
        """Who is asked in process or over a socket; of one engine or of all."""
        return [one for one in self.variants if one.path == path and engine in ("", one.engine)]

    def cheapest(self) -> str:
        """The precision that Emberline is fastest in."""
        return next(name for name in reversed(PRECISIONS) if name in self.bundle.manifest.encoders)


@dataclass(frozen=True, slots=True)
class PeersSection:
    """A part of the comparison.

    Attributes:
        name: of it.
        measure: fills the state. It fails with `BenchError` if Emberline or PyTorch does.
        count: how many steps it has, at most: for its progress.
    """

    name: str
    measure: Callable[[Comparison, ResumeState, Steps], None]
    count: Callable[[Comparison], int]


def everyone(comparison: Comparison, state: ResumeState, step: Steps) -> None:
    """All variants: their vectors, all texts at once, one text at a time; and what a lone request's time goes to."""
    mixed, settings = comparison.sets[0], comparison.settings
    with WorkerPool() as pool:
        _start(pool, comparison.variants, step)
        _compare(pool, comparison, state, step)
        rounds.choose_batches(pool, mixed, state, settings, step)
        rounds.in_bulk(pool, comparison.sets, state, settings, lambda: peaks(comparison.threads), step)
        rounds.in_parts(pool, mixed, state.measured, settings, step)
        _record(pool, "process", comparison, state)


def servers(comparison: Comparison, state: ResumeState, step: Steps) -> None:
    """Servers with many callers, and with requests that arrive by themselves."""
    gone = {one.variant for one in state.left_out}
    mixed, settings = comparison.sets[0], comparison.settings
    with WorkerPool() as pool:
        chosen = [one for one in comparison.on("grpc") if one.name not in gone]
        _start(pool, [*chosen, *comparison.on("process", OWN)], step)
        for worker in tuple(pool.workers):
            step(f"{worker.variant.name}: warming up")
            pool.attempt(worker, lambda worker: worker.encode(mixed.texts))
        rounds.with_clients(pool, mixed, state.measured, settings, step)
        rounds.by_themselves(pool, mixed, state.measured, settings, step)
        _record(pool, "grpc", comparison, state)


def one_thread(comparison: Comparison, state: ResumeState, step: Steps) -> None:
    """Emberline with one thread, whatever the others have, and what its encoders spend it on."""
    mixed, manifest, layout = comparison.sets[0], comparison.bundle.manifest, comparison.bundle.layout
    with WorkerPool() as pool:
        _start(pool, [one for one in own_variants(comparison.bundle, 1) if one.path == "process"], step)
        rounds.with_one_thread(pool, mixed, state.measured, comparison.settings, step)
    for precision in PRECISIONS:
        if precision in manifest.encoders:
            step(f"operators of {precision}")
            texts = mixed.texts[:_PROFILED]
            found = operators(layout.encoder(precision), layout.tokenizer, manifest.max_length, texts)
            state.measured.add(rounds.OPERATORS, precision, found)


def recommendations(comparison: Comparison, state: ResumeState, step: Steps) -> None:
    """Emberline's server over made-up catalogues."""
    settings, bundle = comparison.settings, comparison.bundle
    with WorkerPool() as pool:
        for count in settings.catalogues:
            step(f"a catalogue of {count:,} items")
            path = comparison.work / f"{count}.sqlite"
            write_catalogue(bundle, path, count, settings.seed)
            pool.start(own(bundle, comparison.cheapest(), "recommend", comparison.threads, catalogue=str(path)))
        workers = list(zip(settings.catalogues, pool.workers, strict=True))
        rounds.of_recommendations(workers, state.measured, settings, step)


def growing_work(comparison: Comparison, state: ResumeState, step: Steps) -> None:
    """Emberline in process, with more and more texts."""
    name, settings = in_process(comparison.cheapest()), comparison.settings
    texts = growing_texts(comparison.bundle, max(settings.work), settings.seed)
    with WorkerPool() as pool:
        _start(pool, [one for one in comparison.on("process", OWN) if one.name == name], step)
        for worker in pool.workers:
            worker.encode(comparison.sets[0].texts)
            rounds.of_growing_work(worker, texts, state.measured, settings, step)


def _start(pool: WorkerPool, variants: Sequence[Variant], step: Steps) -> None:
    for variant in variants:
        step(f"{variant.name}: starting")
        pool.start(variant)


def _record(pool: WorkerPool, path: str, comparison: Comparison, state: ResumeState) -> None:
    """Note who took part to the end, and who did not."""
    for worker in pool.on(path):
        name = worker.variant.name
        batch = state.batches.get(name)
        found = record(worker, comparison.bundle, state.close[name], state.ranked.get(name), batch)
        state.took_part.append(found)
    state.leave_out(pool.left_out)


def _compare(pool: WorkerPool, comparison: Comparison, state: ResumeState, step: Steps) -> None:
    """Encode all texts once with everyone: they are warm then, and known to run the same model."""
    ranked = comparison.evaluator.texts() if comparison.evaluator else ()
    texts = together(comparison.items, ranked, *(texts.texts for texts in comparison.sets))
    with Worker(comparison.reference) as worker:
        step(f"{comparison.reference.name}: vectors")
        worker.wait_until_ready()
        reference = worker.encode(texts)
    for worker in tuple(pool.workers):
        name = worker.variant.name
        step(f"{name}: vectors")
        vectors = pool.attempt(worker, lambda worker: worker.encode(texts))
        if vectors is None:
            continue
        found = state.close[name] = closeness(vectors, reference, len(set(comparison.items)))
        if worker.variant.precision == "fp32" and not found.cosine_minimum >= SAME_VECTORS:
            said = f"its fp32 vectors are not PyTorch's (least cosine {found.cosine_minimum:.6f})"
            if worker.variant.engine == OWN:
                raise BenchError(f"{name}: {said}; pass the run that the bundle was exported from as --run")
            pool.take_out(worker, f"{said}, so that its times say nothing")
            continue
        if comparison.evaluator:
            by_text: Mapping[str, Floats] = dict(zip(texts, vectors, strict=True))
            state.ranked[name] = comparison.evaluator.rank(by_text)


def _steps_of_everyone(comparison: Comparison) -> int:
    inside, own_ones = len(comparison.on("process")), sum(one.engine == OWN for one in comparison.variants)
    each = inside * len(comparison.sets) + len(comparison.variants) + 1 + own_ones
    return 2 * len(comparison.variants) + 1 + comparison.settings.repetitions * each


def _steps_of_servers(comparison: Comparison) -> int:
    served, own_ones = len(comparison.on("grpc")), len(comparison.on("grpc", OWN))
    each = served * len(comparison.settings.clients) + 2 * own_ones
    return 2 * (served + own_ones) + comparison.settings.repetitions * each


EVERYONE: Final = PeersSection("everyone", everyone, _steps_of_everyone)
SERVERS: Final = PeersSection("servers", servers, _steps_of_servers)
SECTIONS: Final = (
    EVERYONE,
    SERVERS,
    PeersSection("one thread", one_thread, lambda it: len(it.on("process", OWN)) * (2 + it.settings.repetitions)),
    PeersSection(
        "recommendations", recommendations, lambda it: len(it.settings.catalogues) * (1 + it.settings.repetitions)
    ),
    PeersSection("growing work", growing_work, lambda it: 1 + len(it.settings.work) * it.settings.repetitions),
)
