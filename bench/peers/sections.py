"""The sections of the comparison. Each starts whom it measures and ends them, so that it can be held alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emberline.bench.harness.lineup import LeftOut, in_process, through_grpc
from emberline.bench.harness.progress import Steps
from emberline.bench.harness.runs import RunRecord
from emberline.bench.harness.texts import TextSet
from emberline.bench.harness.variants import Variant, Worker
from emberline.engine.bundle import Bundle
from emberline.engine.errors import BenchError
from emberline.engine.records import Floats

from . import records, rounds
from .arithmetic import Arithmetic
from .catalogues import write_catalogue
from .closeness import SAME_VECTORS, closeness, together
from .evaluator import Judge
from .gemm import peaks
from .lineup import PRECISIONS, own_variants
from .operators import operators
from .pool import OWN, Field
from .resume import State
from .settings import PeersSettings
from .texts import growing_texts

#: Texts whose operators are profiled.
_PROFILED: Final = 64


@dataclass(frozen=True, slots=True)
class Contest:
    """Everything that a comparison needs.

    Attributes:
        bundle: what Emberline serves.
        run: the training run that it was exported from, as the result names it.
        reference: PyTorch, which is asked for its vectors and not timed.
        variants: who is timed; Emberline's own are among them.
        left_out: who could not even be made ready.
        sets: text sets, the mixed one first.
        items: texts that ask for their neighbours among each other.
        judge: ranks by everyone's vectors; None: there is nothing to rank.
        arithmetic: of the encoder.
        work: a folder for what is made on the way.
        threads: that each variant computes with.
    """

    bundle: Bundle
    run: RunRecord
    reference: Variant
    variants: Sequence[Variant]
    left_out: Sequence[LeftOut]
    sets: Sequence[TextSet]
    items: Sequence[str]
    judge: Judge | None
    arithmetic: Arithmetic
    work: Path
    threads: int

    def on(self, path: str) -> list[Variant]:
        """Who is asked in process or over a socket."""
        return [one for one in self.variants if one.path == path]

    def own(self, path: str) -> list[Variant]:
        """Emberline's own among them."""
        return [one for one in self.on(path) if one.engine == OWN]

    def cheapest(self) -> str:
        """The precision that Emberline is fastest in."""
        return next(name for name in reversed(PRECISIONS) if name in self.bundle.manifest.encoders)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the comparison.

    Attributes:
        name: of it.
        hold: measures it.
        count: how many steps it has, at most: for its progress.
    """

    name: str
    hold: Callable[[Contest, PeersSettings, State, Steps], None]
    count: Callable[[Contest, PeersSettings], int]


def everyone(contest: Contest, settings: PeersSettings, state: State, step: Steps) -> None:
    """All variants: their vectors, all texts at once, one text at a time; and what a lone request's time goes to.

    Raises:
        BenchError: Emberline or PyTorch failed, or Emberline's fp32 vectors are not PyTorch's.
    """
    mixed, notes = contest.sets[0], state.notes
    with Field() as field:
        _start(field, contest.variants, step)
        _compare(field, contest, state, step)
        rounds.choose_batches(field, mixed, notes, settings, step)
        rounds.in_bulk(field, contest.sets, notes, settings, lambda: dict(peaks(contest.threads)), step)
        rounds.in_parts(field, mixed, notes, settings, step)
        _record(field, "process", contest, state)


def servers(contest: Contest, settings: PeersSettings, state: State, step: Steps) -> None:
    """Servers with many callers, and with requests that arrive by themselves.

    Raises:
        BenchError: Emberline failed.
    """
    gone = {one.variant for one in state.left_out}
    mixed = contest.sets[0]
    with Field() as field:
        chosen = [one for one in contest.on("grpc") if one.name not in gone]
        _start(field, [*chosen, *contest.own("process")], step)
        for worker in tuple(field.workers):
            step(f"{worker.variant.name}: warming up")
            field.attempt(worker, lambda worker: worker.encode(mixed.texts))
        rounds.with_clients(field, mixed, state.notes, settings, step)
        rounds.by_themselves(field, mixed, state.notes, settings, step)
        _record(field, "grpc", contest, state)


def one_thread(contest: Contest, settings: PeersSettings, state: State, step: Steps) -> None:
    """Emberline with one thread, whatever the others have, and what its encoders spend it on.

    Raises:
        BenchError: Emberline failed.
    """
    mixed, layout = contest.sets[0], contest.bundle.layout
    with Field() as field:
        _start(field, [one for one in own_variants(contest.bundle, 1) if one.path == "process"], step)
        rounds.with_one_thread(field, mixed, state.notes, settings, step)
    for precision in PRECISIONS:
        if precision in contest.bundle.manifest.encoders:
            step(f"operators of {precision}")
            encoder, length = layout.encoder(precision), contest.bundle.manifest.max_length
            state.notes.operators[precision] = operators(encoder, layout.tokenizer, length, mixed.texts[:_PROFILED])


def recommendations(contest: Contest, settings: PeersSettings, state: State, step: Steps) -> None:
    """Emberline's server over made-up catalogues.

    Raises:
        BenchError: Emberline failed.
    """
    precision = contest.cheapest()
    with Field() as field:
        for count in settings.catalogues:
            step(f"a catalogue of {count:,} items")
            path = contest.work / f"{count}.sqlite"
            write_catalogue(contest.bundle, path, count, settings.seed)
            options = {"bundle": str(contest.bundle.layout.root.absolute()), "precision": precision}
            field.start(
                Variant(
                    name=through_grpc(precision),
                    target="emberline.bench.harness.backends.recommending:open_target",
                    options={**options, "threads": contest.threads, "catalogue": str(path)},
                    engine=OWN,
                    precision=precision,
                    path="grpc",
                    threads=contest.threads,
                )
            )
        servers_of = list(zip(settings.catalogues, field.workers, strict=True))
        rounds.of_recommendations(servers_of, state.notes, settings, step)


def growing_work(contest: Contest, settings: PeersSettings, state: State, step: Steps) -> None:
    """Emberline in process, with more and more texts.

    Raises:
        BenchError: Emberline failed.
    """
    name = in_process(contest.cheapest())
    texts = growing_texts(contest.bundle, max(settings.work), settings.seed)
    with Field() as field:
        _start(field, [one for one in contest.own("process") if one.name == name], step)
        for worker in field.workers:
            worker.encode(contest.sets[0].texts)
            rounds.of_growing_work(worker, texts, state.notes, settings, step)


def _start(field: Field, variants: Sequence[Variant], step: Steps) -> None:
    for variant in variants:
        step(f"{variant.name}: starting")
        field.start(variant)


def _record(field: Field, path: str, contest: Contest, state: State) -> None:
    """Note who took part to the end, and who did not."""
    for worker in field.on(path):
        name = worker.variant.name
        found, ranked = state.close[name], state.ranked.get(name)
        state.took_part.append(records.record(worker, contest.bundle, found, ranked, state.notes))
    state.leave_out(field.left_out)


def _compare(field: Field, contest: Contest, state: State, step: Steps) -> None:
    """Encode all texts once with everyone: they are warm then, and known to run the same model."""
    judged = contest.judge.texts() if contest.judge else ()
    texts = together(contest.items, judged, *(texts.texts for texts in contest.sets))
    with Worker(contest.reference) as worker:
        step(f"{contest.reference.name}: vectors")
        worker.wait_until_ready()
        reference = worker.encode(texts)
    for worker in tuple(field.workers):
        name = worker.variant.name
        step(f"{name}: vectors")
        vectors = field.attempt(worker, lambda worker: worker.encode(texts))
        if vectors is None:
            continue
        found = state.close[name] = closeness(vectors, reference, len(set(contest.items)))
        if worker.variant.precision == "fp32" and not found.cosine_minimum >= SAME_VECTORS:
            said = f"its fp32 vectors are not PyTorch's (least cosine {found.cosine_minimum:.6f})"
            if worker.variant.engine == OWN:
                raise BenchError(f"{name}: {said}; pass the run that the bundle was exported from as --run")
            field.take_out(worker, f"{said}, so that its times say nothing")
            continue
        if contest.judge:
            by_text: Mapping[str, Floats] = dict(zip(texts, vectors, strict=True))
            state.ranked[name] = contest.judge.rank(by_text)


def _of_everyone(contest: Contest, settings: PeersSettings) -> int:
    inside, own = len(contest.on("process")), len(contest.own("process")) + len(contest.own("grpc"))
    each = inside * len(contest.sets) + len(contest.variants) + 1 + own
    return 2 * len(contest.variants) + 1 + settings.repetitions * each


def _of_servers(contest: Contest, settings: PeersSettings) -> int:
    served, own = len(contest.on("grpc")), len(contest.own("grpc"))
    return 2 * (served + own) + settings.repetitions * (served * len(settings.clients) + 2 * own)


def _of_one_thread(contest: Contest, settings: PeersSettings) -> int:
    return len(contest.own("process")) * (2 + settings.repetitions)


def _of_recommendations(_: Contest, settings: PeersSettings) -> int:
    return len(settings.catalogues) * (1 + settings.repetitions)


def _of_growing_work(_: Contest, settings: PeersSettings) -> int:
    return 1 + len(settings.work) * settings.repetitions


EVERYONE: Final = Section("everyone", everyone, _of_everyone)
SERVERS: Final = Section("servers", servers, _of_servers)
SECTIONS: Final = (
    EVERYONE,
    SERVERS,
    Section("one thread", one_thread, _of_one_thread),
    Section("recommendations", recommendations, _of_recommendations),
    Section("growing work", growing_work, _of_growing_work),
)
