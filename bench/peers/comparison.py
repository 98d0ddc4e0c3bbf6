"""`emberline bench peers`: Emberline and its peers, with the same weights, texts, threads and loops, taking turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from emberline.bench.harness.environment import begin, observe
from emberline.bench.harness.progress import steps
from emberline.bench.harness.records import BundleRecord, RunRecord
from emberline.bench.harness.result import Result, make
from emberline.bench.harness.texts import describe, item_texts, three_sets
from emberline.bench.harness.variants import pytorch
from emberline.engine.bundle import Bundle
from emberline.engine.machine import cores, processor
from emberline.export.checkpoint import write_checkpoint
from emberline.export.training.run import load_run

from .backends.base import ModelFiles
from .bounds import Evidence, bounds
from .building import PRECISIONS, BuildContext, build, own_variants, write_calibration
from .evaluator import RankingEvaluator
from .peak import Arithmetic
from .places import variant_of
from .registry import STANDARD, chosen
from .resume import ResumeFile, ResumeState, SectionRecord, code
from .sections import SECTIONS, Comparison, Sections
from .settings import PeersSettings

#: The file in the folder of results that an unfinished comparison goes on from.
UNFINISHED: Final = "peers-unfinished.msgpack"


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
    peers = chosen(names)
    beginning = begin()
    bundle = Bundle.open_folder(bundle_folder)
    layout, own = bundle.layout, [name for name in PRECISIONS if name in bundle.manifest.encoders]
    for precision in own:
        bundle.admit(precision, allow_failed_gate=True)
    loaded = load_run(run)
    threads = threads or cores()
    named, measured = RunRecord.of(run), BundleRecord.of(bundle)
    conditions = {
        "settings": settings,
        "peers": [one.name for one in peers],
        "threads": threads,
        "bundle": measured.sha256,
        "run": named.sha256,
        "machine": [processor()[0], cores()],
        "code": code(),
    }
    file = ResumeFile(out / UNFINISHED, conditions)
    state = file.state()
    items = item_texts(bundle)
    profiles = loaded.data()[0].user_texts()
    with tempfile.TemporaryDirectory(prefix="emberline-peers-") as folder:
        work = Path(folder)
        files = ModelFiles(
            checkpoint=str(write_checkpoint(loaded.trained, work / "checkpoint")),
            encoders={name: str(layout.encoder(name).absolute()) for name in own},
            tokenizer=str(layout.tokenizer.absolute()),
            hidden=bundle.manifest.hidden,
            max_length=bundle.manifest.max_length,
            calibration=str(write_calibration(items, work / "calibration.json")),
            work=str(work),
        )
        arithmetic = Arithmetic.of(loaded.trained.model.config.encoder)
        evaluator = None if state.has("everyone") else RankingEvaluator.of(bundle, loaded)
        del loaded
        # Those in process have done their part with the first section, those behind a socket with the second.
        needed = [one for one in peers if not state.has("servers" if one.path == "grpc" else "everyone")]
        with steps("peers") as say:
            variants, left_out = build(needed, files, BuildContext(environments, work, threads, say))
        comparison = Comparison(
            settings=settings,
            bundle=bundle,
            run=named,
            reference=pytorch(run, threads),
            variants=[*own_variants(bundle, threads), *variants],
            left_out=left_out,
            sets=three_sets(bundle, profiles, count=settings.count, longest=settings.longest, seed=settings.seed),
            items=items,
            evaluator=evaluator,
            arithmetic=arithmetic,
            work=work,
            threads=threads,
        )
        body = compare(comparison, file)
    return make("peers", observe(beginning), asdict(settings), body)


def forget(out: Path) -> None:
    """Forget the sections of a comparison whose result is written: the next one measures anew."""
    (out / UNFINISHED).unlink(missing_ok=True)


def compare(comparison: Comparison, file: ResumeFile) -> Mapping[str, object]:
    """Make a comparison, section by section.

    Returns:
        The result's own part.

    Raises:
        BenchError: Emberline or PyTorch failed.
    """
    state = file.state()
    state.leave_out(list(comparison.left_out))
    for name, measure in SECTIONS.items():
        if state.has(name):
            continue
        beginning, started = begin(), time.monotonic()
        with steps(f"peers, {name}") as step:
            measure(Sections(comparison, state, step))
        seconds, seen = round(time.monotonic() - started, 1), observe(beginning)
        state.sections.append(SectionRecord(name, seen.created, seconds, seen.busy_before, seen.stolen))
        file.keep(state)
    return _body(comparison, state)


def _body(comparison: Comparison, state: ResumeState) -> Mapping[str, object]:
    gone = {one.variant for one in state.left_out}
    state.measured.drop(lambda row: variant_of(row) in gone)
    mixed, arithmetic = comparison.sets[0], comparison.arithmetic
    operations = arithmetic.operations(mixed.tokens)
    evidence = Evidence(state.measured, state.close, comparison.settings, operations, len(mixed.texts))
    took_part = [one for one in state.took_part if one.name not in gone]
    return {
        "bundle": BundleRecord.of(comparison.bundle),
        "run": comparison.run,
        "reference": STANDARD if any(one.name == STANDARD for one in took_part) else None,
        "sections": state.sections,
        "texts": [describe(texts) for texts in comparison.sets],
        "variants": took_part,
        "left_out": state.left_out,
        "measurements": state.measured,
        "arithmetic": {**asdict(arithmetic), "operations": operations},
        "peaks": [{"precision": name, "library": one.library, "shape": one.shape} for name, one in state.peaks.items()],
        "bounds": bounds(evidence),
    }
