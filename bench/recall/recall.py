"""`emberline bench recall`: what each precision keeps of PyTorch's vectors, rankings and scores.

It compares the bundle's graphs with the run's model on the accuracy gate's holdout set, with the gate's arithmetic, and
adds what the gate does not need: simple baselines for comparison, how the drift of scores is distributed, and what
smaller embeddings cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from emberline.bench.harness.environment import begin, observe
from emberline.bench.harness.progress import steps
from emberline.bench.harness.records import BundleRecord, RunRecord
from emberline.bench.harness.result import Result, make
from emberline.bench.harness.variants import PYTORCH, SAME_MODEL, in_process
from emberline.bench.latency.lineup import choose
from emberline.engine.bundle import Bundle, Precision
from emberline.engine.catalogue.texts import text_lengths
from emberline.engine.config import EngineConfig
from emberline.engine.errors import BenchError
from emberline.engine.runtime.placement import place
from emberline.export.exported import ExportedModel
from emberline.export.gate.comparison import compare, quality
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.gate.predictions import Predictions, predict
from emberline.export.training.run import Run, load_run

from .embeddings import KNOWN, smaller_embeddings
from .fidelity import Fidelity, drifts
from .rankings import rankings
from .settings import RecallSettings


def bench_recall(
    bundle_folder: Path,
    run_folder: Path,
    settings: RecallSettings,
    *,
    precisions: Sequence[str] = (),
    data: Path | None = None,
) -> Result:
    """Measure.

    Args:
        bundle_folder: whose graphs are measured.
        run_folder: the training run that it was exported from; its model is the reference.
        settings: of the measurement.
        precisions: of the encoders; empty: all that the bundle has and the device runs.
        data: the data set's folder; None: where training found it.

    Returns:
        The result; see `docs/benchmarks.md`.

    Raises:
        EmberlineError: the bundle, the run or the data cannot be used, or do not belong together.
    """
    beginning = begin()
    bundle = Bundle.open_folder(bundle_folder)
    chosen = choose(bundle, precisions, settings.device)
    for precision in chosen:
        bundle.admit(precision, allow_failed_gate=True)
    with steps("recall", 4 + len(chosen)) as step:
        step("reading the run and its data")
        run = load_run(run_folder)
        holdout = _holdout(run, data)
        step(f"{PYTORCH}: predictions")
        reference = predict(run.trained, holdout)
        predictions: dict[str, Predictions] = {}
        models: dict[str, ExportedModel] = {}
        for precision in chosen:
            step(f"{in_process(precision)}: predictions")
            models[precision] = _exported(bundle, precision, run, settings.device)
            predictions[precision] = predict(models[precision], holdout)
        step("comparing")
        measured = {precision: compare(given, reference, holdout) for precision, given in predictions.items()}
        if "fp32" in measured:
            _require_same_model(measured["fp32"])
        ranked = list(rankings(holdout, reference, predictions, settings))
        dearest = chosen[0]
        step(f"{in_process(dearest)}: smaller embeddings")
        smaller = smaller_embeddings(models[dearest], predictions[dearest].vectors, holdout)
    return make(
        "recall",
        observe(beginning),
        asdict(settings),
        {
            "bundle": BundleRecord.of(bundle),
            "run": RunRecord.of(run_folder),
            "reference": PYTORCH,
            "left_out": [],
            "vectors": [Fidelity.of(precision, found, holdout) for precision, found in measured.items()],
            "reference_calibration_error": quality(reference, holdout)["ece"],
            "scenarios": [
                {"name": scenario.name, "queries": len(scenario.users), "candidates": len(scenario.candidates)}
                for scenario in holdout.rankings
            ],
            "rankings": ranked,
            "drift": [
                drift
                for precision, found in measured.items()
                for drift in drifts(precision, found, predictions[precision], reference)
            ],
            "embeddings": {"variant": in_process(dearest), "known": KNOWN, "sizes": smaller},
        },
    )


def _holdout(run: Run, data: Path | None) -> HoldoutSet:
    if data is not None:
        run = replace(run, settings=replace(run.settings, data=data))
    return HoldoutSet.of(*run.data())


def _exported(bundle: Bundle, precision: Precision, run: Run, device: str) -> ExportedModel:
    manifest, config = bundle.manifest, run.trained.model.config
    session = None
    if device != "cpu":
        asked = EngineConfig(bundle=bundle.layout.root, precision=precision, device=device, allow_failed_gate=True)
        session = place(bundle, asked, lambda: text_lengths(bundle)).session
    return ExportedModel(bundle.layout, precision, manifest.encoders[precision], manifest.graphs, config, session)


def _require_same_model(fp32: Mapping[str, Any]) -> None:
    mean = fp32["cosine"]["mean"]
    if mean < SAME_MODEL:
        raise BenchError(
            f"{in_process('fp32')} gives other vectors than {PYTORCH} (mean cosine {mean:.3f}): the bundle was not "
            "exported from this run; pass the run that it came from as --run"
        )
