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
from typing import Final

import numpy as np

from emberline.bench.harness.driver import Worker
from emberline.bench.harness.environment import begin, observe
from emberline.bench.harness.measurements import RATE, SATURATION, Measurements, interleaved
from emberline.bench.harness.progress import Steps, steps
from emberline.bench.harness.records import BundleRecord, RunRecord, VariantRecord
from emberline.bench.harness.result import Result, make
from emberline.bench.harness.scenarios import highest_rate, multi_stream, offline, single_stream, under_load
from emberline.bench.harness.texts import TextSet, describe, text_set
from emberline.bench.harness.variants import OWN, PYTORCH, SAME_MODEL, Variant
from emberline.engine.bundle import Bundle
from emberline.engine.errors import BenchError
from emberline.engine.machine import cores
from emberline.engine.records import Floats

from .lineup import choose, lineup
from .settings import LatencySettings

#: PyTorch fed in the order in which the texts come, as a program does that does not sort them.
PYTORCH_UNSORTED: Final = f"{PYTORCH}, arrival order"
#: Shares of saturation at which latencies are taken: a calm server, a well-used one, one near its limit.
SHARES: Final = (0.5, 0.7, 0.9)


def section(scenario: str, texts: str, share: float | None = None) -> str:
    """The name of a scenario's section in the measurements; of Server's loads, with their share of saturation."""
    return f"{scenario}, {texts}" if share is None else f"{scenario} at {share:.0%}, {texts}"


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
    bundle = Bundle.open_folder(bundle_folder)
    chosen = choose(bundle, precisions, settings.device)
    gates: dict[str, str] = {precision: bundle.admit(precision, allow_failed_gate=True) for precision in chosen}
    sets = [text_set(name, bundle, count=settings.count, seed=settings.seed) for name in settings.texts]
    variants, left_out = lineup(
        bundle,
        run,
        chosen,
        threads or cores(),
        complete=settings.complete,
        contracts=settings.contracts,
        device=settings.device,
    )
    measured = Measurements()
    with ExitStack() as stack:
        workers = []
        with steps("latency", _count(variants, settings)) as step:
            for variant in variants:
                step(f"{variant.name}: starting")
                # One after the other: an engine measures the machine when it starts, and wants it for itself.
                workers.append(stack.enter_context(Worker(variant)))
                workers[-1].wait_until_ready()
            cosines = _compare(workers, sets[0], step)
            loaded = [one for one in workers if settings.complete or _under_load(one.variant)]
            for texts in sets:
                _closed(measured, workers, texts, settings, step)
                if "Server" in settings.scenarios:
                    _server(measured, loaded, texts, settings, step)
        records = []
        for worker in workers:
            mean, minimum = cosines.get(worker.variant.name, (None, None))
            gate = gates[worker.variant.precision] if worker.variant.engine == OWN else "reference"
            known = {"cosine_mean": mean, "cosine_minimum": minimum, "gate": gate}
            records.append(VariantRecord.of(worker, bundle, worker.memory_mb(), **known))
    reference = next((one.name for one in variants if one.name == PYTORCH), None)
    return make(
        "latency",
        observe(beginning),
        asdict(settings),
        {
            "bundle": BundleRecord.of(bundle),
            "run": RunRecord.of(run) if run is not None and reference else None,
            "reference": reference,
            "texts": [describe(texts) for texts in sets],
            "variants": records,
            "left_out": left_out,
            "measurements": measured,
        },
    )


def _count(variants: Sequence[Variant], settings: LatencySettings) -> int:
    """How many steps the measurement has."""
    reference = sum(variant.name == PYTORCH for variant in variants)
    closed = sum(scenario != "Server" for scenario in settings.scenarios) * len(variants)
    closed += reference * ("Offline" in settings.scenarios)
    loaded = len(variants) if settings.complete else sum(map(_under_load, variants))
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


def _closed(
    measured: Measurements, workers: Sequence[Worker], texts: TextSet, settings: LatencySettings, step: Steps
) -> None:
    """The scenarios in which the bench decides when a request is sent."""
    for repetition, worker in interleaved(workers, settings.repetitions):
        name = worker.variant.name
        for scenario in settings.scenarios:
            if scenario == "Server":
                continue
            where = f"{scenario}, {texts.name} texts, repetition {repetition + 1}"
            place = section(scenario, texts.name)
            step(f"{where}: {name}")
            match scenario:
                case "SingleStream":
                    measured.add(place, name, single_stream(worker, texts.texts, settings.single, repetition))
                case "MultiStream":
                    measured.add(place, name, multi_stream(worker, texts.texts, settings.multi, repetition))
                case _:
                    measured.add(place, name, offline(worker, texts.texts, "sorted"))
                    if name == PYTORCH:
                        step(f"{where}: {PYTORCH_UNSORTED}")
                        measured.add(place, PYTORCH_UNSORTED, offline(worker, texts.texts, "arrival"))


def _under_load(variant: Variant) -> bool:
    """Whether a variant takes part in an incomplete Server scenario: the reference and what is served."""
    return variant.name == PYTORCH or variant.path != "process"


def _server(
    measured: Measurements, workers: Sequence[Worker], texts: TextSet, settings: LatencySettings, step: Steps
) -> None:
    """The scenario in which requests arrive by themselves."""
    place = section("Server", texts.name)
    for repetition, worker in interleaved(workers, settings.repetitions):
        name = worker.variant.name
        step(f"Server, {texts.name} texts, repetition {repetition + 1}: {name}, saturation")
        answered, _ = worker.saturate(texts.texts, settings.callers, settings.saturation_seconds)
        measured.add(place, name, {SATURATION: answered})
    saturation = {name: median(measured.values(place, name, SATURATION)) for name in measured.variants(place)}
    for repetition, worker in interleaved(workers, settings.repetitions):
        name, seed = worker.variant.name, settings.seed + repetition
        where = f"Server, {texts.name} texts, repetition {repetition + 1}: {name}"
        for share in SHARES:
            step(f"{where}, {share:.0%} load")
            found = under_load(worker, texts.texts, share * saturation[name], settings.load_seconds, seed)
            measured.add(section("Server", texts.name, share), name, found)
        if settings.probes:
            step(f"{where}, highest rate")
            rate = highest_rate(
                worker,
                texts.texts,
                saturation[name],
                bound_ms=settings.bound_ms,
                seconds=settings.probe_seconds,
                probes=settings.probes,
                seed=seed,
            )
            measured.add(place, name, {RATE: rate})
