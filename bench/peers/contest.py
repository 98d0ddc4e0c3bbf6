"""`emberline bench peers`: Emberline and its peers, with the same weights, texts, threads and loops, taking turns."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from emberline.bench.environment import begin, observe
from emberline.bench.lineup import PYTORCH, LeftOut, in_process, through_grpc
from emberline.bench.participants import summarise
from emberline.bench.progress import Steps, steps
from emberline.bench.result import Result, make
from emberline.bench.runs import RunRecord, summarise_run
from emberline.bench.texts import TextSet, describe, item_texts
from emberline.bench.variants import Variant, Worker
from emberline.engine.bundle import Bundle
from emberline.engine.errors import BenchError
from emberline.engine.machine import cores
from emberline.export.training.run import load_run

from . import records, rounds
from .arithmetic import Arithmetic
from .catalogues import write_catalogue
from .closeness import SAME_VECTORS, Closeness, closeness, together
from .entrants import STANDARD
from .field import OWN, Field
from .gemm import peaks
from .goals import Evidence, targets
from .lineup import PRECISIONS, Kitchen, chosen, own_variants, peers, write_calibration
from .notes import Notes
from .settings import PeersSettings
from .targets.material import Material
from .texts import growing_texts, text_sets
from .weights import write_checkpoint

#: Steps of an environment and of preparing the model, at most.
_KITCHEN: Final = 14


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
    arithmetic: Arithmetic
    work: Path
    threads: int


def bench_peers(
    bundle_folder: Path,
    run: Path,
    settings: PeersSettings,
    *,
    environments: Path,
    names: Sequence[str] = (),
    threads: int = 0,
) -> Result:
    """Measure.

    Args:
        bundle_folder: what Emberline serves.
        run: the training run that it was exported from, whose weights all peers get.
        settings: how much is measured.
        environments: the folder in which peers' environments are kept.
        names: peers that take part, by the beginnings of their names; empty: all.
        threads: that each variant computes with; 0: one a core.

    Returns:
        The result; see `docs/peers.md`.

    Raises:
        EmberlineError: the bundle, the run or the texts cannot be used, or Emberline itself fails.
    """
    entrants = chosen(names)
    beginning = begin()
    bundle = Bundle.open(bundle_folder)
    for precision in PRECISIONS:
        if precision in bundle.manifest.encoders:
            bundle.admit(precision, allow_failed_gate=True)
    loaded = load_run(run)
    profiles = loaded.data()[0].user_texts()
    threads = threads or cores()
    items = item_texts(bundle)
    sets = text_sets(bundle, profiles, count=settings.count, seed=settings.seed)
    with tempfile.TemporaryDirectory(prefix="emberline-peers-") as folder:
        work = Path(folder)
        material = Material(
            checkpoint=str(write_checkpoint(loaded.trained, work / "checkpoint")),
            encoders={
                name: str(bundle.layout.encoder(name).absolute())
                for name in PRECISIONS
                if name in bundle.manifest.encoders
            },
            tokenizer=str(bundle.layout.tokenizer.absolute()),
            hidden=bundle.manifest.hidden,
            max_length=bundle.manifest.max_length,
            calibration=str(write_calibration(items, work / "calibration.json")),
            work=str(work),
        )
        reference = Variant(
            name=PYTORCH,
            target="emberline.bench.targets.pytorch:open_target",
            options={"run": str(run.absolute()), "threads": threads},
            engine="pytorch",
            precision="fp32",
            path="process",
            threads=threads,
        )
        arithmetic = Arithmetic.of(loaded.trained.model.config.encoder)
        del loaded
        with steps("peers", _KITCHEN) as say:
            variants, left_out = peers(entrants, material, Kitchen(environments, work, threads, say))
        variants = [*own_variants(bundle, threads), *variants]
        named = summarise_run(run)
        contest = Contest(bundle, named, reference, variants, left_out, sets, items, arithmetic, work, threads)
        body = hold(contest, settings)
    return make("peers", observe(beginning), asdict(settings), body)


def hold(contest: Contest, settings: PeersSettings) -> Mapping[str, object]:
    """Hold a comparison.

    Args:
        contest: who, and with what.
        settings: how much.

    Returns:
        The result's own part.

    Raises:
        BenchError: Emberline or PyTorch failed.
    """
    notes = Notes()
    mixed = contest.sets[0]
    with Field() as field, steps("peers", _count(contest, settings)) as step:
        for variant in contest.variants:
            step(f"{variant.name}: starting")
            field.start(variant)
        close = _compare(field, contest, step)
        rounds.choose_batches(field, mixed, notes, settings, step)
        rounds.in_bulk(field, contest.sets, notes, settings, lambda: dict(peaks(contest.threads)), step)
        took_part = [records.record(worker, contest.bundle, close, notes) for worker in field.on("process")]
        for worker in field.on("process"):
            if worker.variant.engine != OWN:
                field.dismiss(worker)
        rounds.with_clients(field, mixed, notes, settings, step)
        rounds.by_themselves(field, mixed, notes, settings, step)
        took_part += [records.record(worker, contest.bundle, close, notes) for worker in field.on("grpc")]
        for worker in field.on("grpc"):
            field.dismiss(worker)
        _recommend(contest, notes, settings, step)
        _grow(field, contest, notes, settings, step)
        left_out = [*contest.left_out, *field.left_out]
    gone = {one.variant for one in left_out}
    notes.forget(sorted(gone))
    evidence = Evidence(notes, close, contest.arithmetic.operations(mixed.tokens))
    return {
        "bundle": summarise(contest.bundle),
        "run": contest.run,
        "reference": STANDARD if any(one.name == STANDARD for one in took_part) else None,
        "texts": [describe(texts) for texts in contest.sets],
        "variants": [one for one in took_part if one.name not in gone],
        "left_out": left_out,
        "measurements": [one for samples in notes.samples() for one in samples.measurements(STANDARD)],
        "loads": records.loads(notes),
        "arithmetic": {**asdict(contest.arithmetic), "operations": evidence.operations},
        "peaks": records.peaks(notes),
        "work": records.work(notes),
        "targets": targets(evidence),
    }


def _count(contest: Contest, settings: PeersSettings) -> int:
    """How many steps there are, if every variant takes part to the end and none has another batch size."""
    inside = sum(variant.path == "process" for variant in contest.variants)
    served = len(contest.variants) - inside
    own = sum(variant.engine == OWN for variant in contest.variants)
    each = inside * len(contest.sets) + len(contest.variants) + 1 + own // 2 + served * len(settings.clients) + own // 2
    each += len(settings.catalogues) + len(settings.work)
    return 2 * len(contest.variants) + 1 + len(settings.catalogues) + settings.repetitions * each


def _compare(field: Field, contest: Contest, step: Steps) -> Mapping[str, Closeness]:
    """Encode all texts once with everyone: they are warm then, and known to run the same model.

    Raises:
        BenchError: Emberline's fp32 vectors are not PyTorch's.
    """
    texts = together(contest.items, *(texts.texts for texts in contest.sets))
    with Worker(contest.reference) as worker:
        step(f"{contest.reference.name}: vectors")
        worker.wait_until_ready()
        reference = worker.encode(texts)
    found = {}
    for worker in tuple(field.workers):
        name = worker.variant.name
        step(f"{name}: vectors")
        vectors = field.attempt(worker, lambda worker: worker.encode(texts))
        if vectors is None:
            continue
        found[name] = closeness(vectors, reference, len(set(contest.items)))
        least = found[name].cosine_minimum
        if worker.variant.precision == "fp32" and not least >= SAME_VECTORS:
            said = f"its fp32 vectors are not PyTorch's (least cosine {least:.6f})"
            if worker.variant.engine == OWN:
                raise BenchError(f"{name}: {said}; pass the run that the bundle was exported from as --run")
            field.take_out(worker, f"{said}, so that its times say nothing")
    return found


def _cheapest(contest: Contest) -> str:
    """The precision that Emberline is fastest in."""
    return next(name for name in reversed(PRECISIONS) if name in contest.bundle.manifest.encoders)


def _recommend(contest: Contest, notes: Notes, settings: PeersSettings, step: Steps) -> None:
    precision = _cheapest(contest)
    with Field() as field:
        servers = []
        for count in settings.catalogues:
            step(f"a catalogue of {count:,} items")
            path = contest.work / f"{count}.sqlite"
            write_catalogue(contest.bundle, path, count, settings.seed)
            options = {"bundle": str(contest.bundle.layout.root.absolute()), "precision": precision}
            field.start(
                Variant(
                    name=through_grpc(precision),
                    target="emberline.bench.targets.recommending:open_target",
                    options={**options, "threads": contest.threads, "catalogue": str(path)},
                    engine=OWN,
                    precision=precision,
                    path="grpc",
                    threads=contest.threads,
                )
            )
            servers.append((count, field.workers[-1]))
        rounds.of_recommendations(servers, notes, settings, step)


def _grow(field: Field, contest: Contest, notes: Notes, settings: PeersSettings, step: Steps) -> None:
    worker = field.named(in_process(_cheapest(contest)))
    if worker is not None:
        texts = growing_texts(contest.bundle, max(settings.work), settings.seed)
        rounds.of_growing_work(worker, texts, notes, settings, step)
