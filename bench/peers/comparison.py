"""`emberline bench peers`: Emberline and its peers, with the same weights, texts, threads and loops, taking turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from emberline.bench.harness.environment import begin, observe
from emberline.bench.harness.lineup import PYTORCH
from emberline.bench.harness.participants import summarise
from emberline.bench.harness.progress import steps
from emberline.bench.harness.result import Result, make
from emberline.bench.harness.runs import summarise_run
from emberline.bench.harness.texts import describe, item_texts
from emberline.bench.harness.variants import Variant
from emberline.engine.bundle import Bundle
from emberline.engine.machine import cores, processor
from emberline.export.training.run import load_run

from . import records
from .arithmetic import Arithmetic
from .backends.material import Material
from .bounds import Evidence, targets
from .evaluator import Judge
from .lineup import PRECISIONS, Kitchen, chosen, own_variants, peers, write_calibration
from .registry import STANDARD
from .resume import Ledger, SectionRecord, State, code
from .sections import EVERYONE, SECTIONS, SERVERS, Contest
from .settings import PeersSettings
from .texts import text_sets
from .weights import write_checkpoint

#: The file in the folder of results that an unfinished comparison goes on from.
UNFINISHED: Final = "peers-unfinished.json"
#: Steps of an environment and of preparing the model, at most.
_KITCHEN: Final = 14


def bench_peers(
    bundle_folder: Path,
    run: Path,
    settings: PeersSettings,
    *,
    environments: Path,
    out: Path,
    names: Sequence[str] = (),
    threads: int = 0,
) -> Result:
    """Measure, or go on with what is unfinished.

    Args:
        bundle_folder: what Emberline serves.
        run: the training run that it was exported from, whose weights all peers get.
        settings: how much is measured.
        environments: the folder in which peers' environments are kept.
        out: the folder in which finished sections are kept; see `forget`.
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
    threads = threads or cores()
    named, measured = summarise_run(run), summarise(bundle)
    conditions = {
        "settings": settings,
        "peers": [one.name for one in entrants],
        "threads": threads,
        "bundle": measured.sha256,
        "run": named.sha256,
        "machine": [processor()[0], cores()],
        "code": code(),
    }
    ledger = Ledger(out / UNFINISHED, conditions)
    state = ledger.state()
    items = item_texts(bundle)
    profiles = loaded.data()[0].user_texts()
    sets = text_sets(bundle, profiles, count=settings.count, longest=settings.longest, seed=settings.seed)
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
            target="emberline.bench.harness.backends.pytorch:open_target",
            options={"run": str(run.absolute()), "threads": threads},
            engine="pytorch",
            precision="fp32",
            path="process",
            threads=threads,
        )
        arithmetic = Arithmetic.of(loaded.trained.model.config.encoder)
        judge = None if state.has(EVERYONE.name) else Judge.of(bundle, loaded)
        del loaded
        # Those in process have done their part with the first section, those behind a socket with the second.
        needed = [one for one in entrants if not state.has(SERVERS.name if one.path == "grpc" else EVERYONE.name)]
        with steps("peers", _KITCHEN) as say:
            variants, left_out = peers(needed, material, Kitchen(environments, work, threads, say))
        contest = Contest(
            bundle=bundle,
            run=named,
            reference=reference,
            variants=[*own_variants(bundle, threads), *variants],
            left_out=left_out,
            sets=sets,
            items=items,
            judge=judge,
            arithmetic=arithmetic,
            work=work,
            threads=threads,
        )
        body = hold(contest, settings, ledger)
    return make("peers", observe(beginning), asdict(settings), body)


def forget(out: Path) -> None:
    """Forget the sections of a comparison whose result is written: the next one measures anew."""
    (out / UNFINISHED).unlink(missing_ok=True)


def hold(contest: Contest, settings: PeersSettings, ledger: Ledger) -> Mapping[str, object]:
    """Hold a comparison, section by section.

    Args:
        contest: who, and with what.
        settings: how much.
        ledger: has the sections that are finished already, and gets those that become so.

    Returns:
        The result's own part.

    Raises:
        BenchError: Emberline or PyTorch failed.
    """
    state = ledger.state()
    state.leave_out(list(contest.left_out))
    for section in SECTIONS:
        if state.has(section.name):
            continue
        beginning, started = begin(), time.monotonic()
        with steps(f"peers, {section.name}", section.count(contest, settings)) as step:
            section.hold(contest, settings, state, step)
        seconds, seen = time.monotonic() - started, observe(beginning)
        state.sections.append(
            SectionRecord(section.name, seen.created, round(seconds, 1), seen.busy_before, seen.stolen)
        )
        ledger.keep(state)
    return _body(contest, state)


def _body(contest: Contest, state: State) -> Mapping[str, object]:
    notes = state.notes
    gone = {one.variant for one in state.left_out}
    notes.forget(sorted(gone))
    evidence = Evidence(notes, state.close, contest.arithmetic.operations(contest.sets[0].tokens))
    took_part = [one for one in state.took_part if one.name not in gone]
    return {
        "bundle": summarise(contest.bundle),
        "run": contest.run,
        "reference": STANDARD if any(one.name == STANDARD for one in took_part) else None,
        "sections": state.sections,
        "texts": [describe(texts) for texts in contest.sets],
        "variants": took_part,
        "left_out": state.left_out,
        "measurements": [one for samples in notes.samples() for one in samples.measurements(STANDARD)],
        "loads": records.loads(notes),
        "arithmetic": {**asdict(contest.arithmetic), "operations": evidence.operations},
        "peaks": records.peaks(notes),
        "parts": records.parts(notes),
        "operators": records.operators(notes),
        "spent": records.spent(notes),
        "work": records.work(notes),
        "targets": targets(evidence),
    }
