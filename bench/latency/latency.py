"""`emberline bench latency`: Emberline beside PyTorch, in MLPerf's four scenarios.

SingleStream sends one text at a time, MultiStream requests of eight, Offline all texts at once, Server lets requests
arrive by themselves. Variants run in processes of their own, take turns, and encode the same texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from emberline.bench.harness.environment import begin, observe
from emberline.bench.harness.lineup import PYTORCH, SAME_MODEL, choose, lineup
from emberline.bench.harness.load import SHARES, Load, LoadPoint, highest_rate, point, under_load
from emberline.bench.harness.measure import RATE, SATURATION, Measurement, Samples, interleaved
from emberline.bench.harness.participants import record, summarise
from emberline.bench.harness.progress import Steps, steps
from emberline.bench.harness.result import Result, make
from emberline.bench.harness.scenarios import multi_stream, offline, single_stream
from emberline.bench.harness.texts import TextSet, describe, text_set
from emberline.bench.harness.variants import Variant, Worker
from emberline.engine.bundle import Bundle
from emberline.engine.errors import BenchError
from emberline.engine.machine import cores
from emberline.engine.records import Floats

from .settings import LatencySettings

if TYPE_CHECKING:
    from emberline.bench.harness.runs import RunRecord

#: PyTorch fed in the order in which the texts come, as a program does that does not sort them.
PYTORCH_UNSORTED: Final = f"{PYTORCH}, arrival order"


def bench_latency(
    bundle_folder: Path,
    run: Path | None,
    settings: LatencySettings,
    *,
    precisions: Sequence[str] = (),
    threads: int = 0,
) -> Result:
    """Measure.

    Args:
        bundle_folder: what Emberline serves.
        run: the training run that it was exported from, for the reference; None: without one.
        settings: how much is measured.
        precisions: of the encoders; empty: all that the bundle has and the device runs.
        threads: that each variant computes with; 0: one a core.

    Returns:
        The result; see `docs/benchmarks.md`.

    Raises:
        EmberlineError: the bundle, the run or the texts cannot be used, or a variant fails.
    """
    beginning = begin()
    bundle = Bundle.open(bundle_folder)
    chosen = choose(bundle, precisions, settings.device)
    gates: dict[str, str] = {precision: bundle.admit(precision, allow_failed_gate=True) for precision in chosen}
    sets = [text_set(name, bundle, count=settings.count, seed=settings.seed) for name in settings.texts]
    variants, left_out = lineup(
        bundle, run, chosen, threads or cores(), complete=settings.complete, device=settings.device
    )
    with ExitStack() as stack:
        workers = []
        with steps("latency", _count(variants, settings)) as step:
            for variant in variants:
                step(f"{variant.name}: starting")
                # One after the other: an engine measures the machine when it starts, and wants it for itself.
                workers.append(stack.enter_context(Worker(variant)))
                workers[-1].wait_until_ready()
            closeness = _compare(workers, sets[0], step)
            measurements: list[Measurement] = []
            loads: list[LoadPoint] = []
            for texts in sets:
                measurements += _closed(workers, texts, settings, step)
                if "Server" in settings.scenarios:
                    server, points = _server(_loaded(workers, settings), texts, settings, step)
                    measurements += server
                    loads += points
        records = [record(worker, bundle, gates, closeness) for worker in workers]
    compared = any(variant.name == PYTORCH for variant in variants)
    return make(
        "latency",
        observe(beginning),
        asdict(settings),
        {
            "bundle": summarise(bundle),
            "run": _run(run) if run is not None and compared else None,
            "reference": PYTORCH if compared else None,
            "texts": [describe(texts) for texts in sets],
            "variants": records,
            "left_out": left_out,
            "measurements": measurements,
            "loads": loads,
        },
    )


def _run(folder: Path) -> RunRecord:
    from emberline.bench.harness.runs import (
        summarise_run,  # it needs what PyTorch needs, which a measurement without reference does without
    )

    return summarise_run(folder)


def _count(variants: Sequence[Variant], settings: LatencySettings) -> int:
    """How many steps the measurement has."""
    reference = sum(variant.name == PYTORCH for variant in variants)
    closed = sum(scenario != "Server" for scenario in settings.scenarios) * len(variants)
    closed += reference * ("Offline" in settings.scenarios)
    loaded = len(variants) if settings.complete else sum(_under_load(variant) for variant in variants)
    server = loaded * (1 + (settings.probes > 0) + len(SHARES)) * ("Server" in settings.scenarios)
    return 2 * len(variants) + len(settings.texts) * settings.repetitions * (closed + server)


def _compare(workers: Sequence[Worker], texts: TextSet, step: Steps) -> Mapping[str, tuple[float, float]]:
    """Encode the texts once with every variant: they are warm then, and known to compute the same thing.

    Returns:
        Mean and least cosine to the reference, by the variant's name; empty without a reference.

    Raises:
        BenchError: the bundle was not exported from the run.
    """
    reference: Floats | None = None
    found = {}
    for worker in workers:
        step(f"{worker.variant.name}: warming up")
        vectors = worker.encode(texts.texts)
        if worker.variant.name == PYTORCH:
            reference = vectors
        if reference is None:
            continue
        norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
        cosines = (vectors * reference).sum(axis=1) / norms
        found[worker.variant.name] = float(cosines.mean()), float(cosines.min())
        if worker.variant.precision == "fp32" and cosines.mean() < SAME_MODEL:
            raise BenchError(
                f"{worker.variant.name} gives other vectors than {PYTORCH} (mean cosine {cosines.mean():.3f}): the "
                "bundle was not exported from this run; pass the run that it came from as --run"
            )
    return found


def _closed(workers: Sequence[Worker], texts: TextSet, settings: LatencySettings, step: Steps) -> list[Measurement]:
    """The scenarios in which the bench decides when a request is sent."""
    samples = {scenario: Samples(texts.name, scenario) for scenario in settings.scenarios if scenario != "Server"}
    for repetition, worker in interleaved(workers, settings.repetitions):
        name = worker.variant.name
        for scenario, collected in samples.items():
            step(f"{scenario}, {texts.name} texts, repetition {repetition + 1}: {name}")
            match scenario:
                case "SingleStream":
                    collected.add(name, single_stream(worker, texts.texts, settings.single, repetition))
                case "MultiStream":
                    collected.add(name, multi_stream(worker, texts.texts, settings.multi, repetition))
                case _:
                    collected.add(name, offline(worker, texts.texts, "sorted"))
                    if name == PYTORCH:
                        step(f"{scenario}, {texts.name} texts, repetition {repetition + 1}: {PYTORCH_UNSORTED}")
                        collected.add(PYTORCH_UNSORTED, offline(worker, texts.texts, "arrival"))
    return [measurement for collected in samples.values() for measurement in collected.measurements(PYTORCH)]


def _under_load(variant: Variant) -> bool:
    """Whether a variant takes part in an incomplete Server scenario: the reference and what is served."""
    return variant.name == PYTORCH or variant.path == "grpc"


def _loaded(workers: Sequence[Worker], settings: LatencySettings) -> list[Worker]:
    return [worker for worker in workers if settings.complete or _under_load(worker.variant)]


def _server(
    workers: Sequence[Worker], texts: TextSet, settings: LatencySettings, step: Steps
) -> tuple[list[Measurement], list[LoadPoint]]:
    """The scenario in which requests arrive by themselves."""
    samples = Samples(texts.name, "Server")
    for repetition, worker in interleaved(workers, settings.repetitions):
        name = worker.variant.name
        step(f"Server, {texts.name} texts, repetition {repetition + 1}: {name}, saturation")
        answered = worker.saturate(texts.texts, settings.callers, settings.saturation_seconds)
        samples.add(name, {SATURATION: answered})
    saturation = {name: median(metrics[SATURATION]) for name, metrics in samples.values.items()}

    loads: dict[tuple[str, float], list[Load]] = {}
    for repetition, worker in interleaved(workers, settings.repetitions):
        name = worker.variant.name
        seed = settings.seed + repetition
        for share in SHARES:
            step(f"Server, {texts.name} texts, repetition {repetition + 1}: {name}, {share:.0%} load")
            load = under_load(worker, texts.texts, share * saturation[name], settings.load_seconds, seed)
            loads.setdefault((name, share), []).append(load)
        if settings.probes:
            step(f"Server, {texts.name} texts, repetition {repetition + 1}: {name}, highest rate")
            rate = highest_rate(
                worker,
                texts.texts,
                saturation[name],
                bound_ms=settings.bound_ms,
                seconds=settings.probe_seconds,
                probes=settings.probes,
                seed=seed,
            )
            samples.add(name, {RATE: rate})
    points = [point(texts.name, name, share, share * saturation[name], found) for (name, share), found in loads.items()]
    return samples.measurements(PYTORCH), points
