"""The gate's report: the measurements and the verdict of every precision, as a bundle stores them."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import onnxruntime as ort

from emberline.engine.bundle import Arithmetic, BundleLayout, graph_of
from emberline.engine.machine import processor
from emberline.export.precision.encoders import EncoderDetails
from emberline.export.predictor import Predictor
from emberline.export.progress import Progress
from emberline.export.training.measure import DatasetVectors

from .comparison import compare, quality
from .holdout import HoldoutSet
from .predictions import Predictions, predict
from .thresholds import Threshold, Thresholds
from .verdict import doubts, verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of the gate.

    Attributes:
        report: the report, ready for JSON; ``docs/export.md`` describes its keys.
        vectors: the fp32 vectors of every item and profile.
    """

    report: Mapping[str, Any]
    vectors: DatasetVectors


def judge(
    reference: Predictor,
    load: Callable[[Arithmetic], Predictor],
    encoders: Mapping[Arithmetic, EncoderDetails],
    layout: BundleLayout,
    holdout: HoldoutSet,
    thresholds: Thresholds,
    progress: Progress,
) -> Judgement:
    """Measure every precision and judge it.

    Args:
        reference: the model in PyTorch.
        load: loads the exported model in a precision.
        encoders: how the encoder of each precision was made, including fp32; of bf16, how its graph was.
        layout: where the encoders are.
        holdout: what every precision is measured on.
        thresholds: what each precision must reach.
        progress: receives the stage ``gate``.
    """
    steps = len(encoders) + 1
    progress("gate", 0, steps, {})
    expected = predict(reference, holdout)
    report: dict[str, Any] = {
        "precisions": {},
        "reference": quality(expected, holdout),
        "thresholds": {precision: asdict(thresholds.of[precision]) for precision in encoders},
        "machine": _machine(),
    }
    vectors = expected.vectors
    for done, (precision, details) in enumerate(encoders.items(), start=1):
        progress("gate", done, steps, {})
        predictions = predict(load(precision), holdout)
        if precision == "fp32":
            vectors = predictions.vectors
        report["precisions"][precision] = {
            **_judged(predictions, expected, holdout, thresholds.of[precision]),
            "bytes": layout.encoder(graph_of(precision)).stat().st_size,
            "details": asdict(details),
        }
    progress("gate", steps, steps, {})
    return Judgement(report, vectors)


def _judged(
    predictions: Predictions, reference: Predictions, holdout: HoldoutSet, threshold: Threshold
) -> dict[str, Any]:
    if fault := predictions.fault():
        return {"passed": False, "failures": [fault], "doubts": [], "measured": {}}
    measured = compare(predictions, reference, holdout)
    failures = verdict(measured, threshold)
    return {
        "passed": not failures,
        "failures": failures,
        "doubts": doubts(measured, threshold),
        "measured": measured,
    }


def _machine() -> dict[str, Any]:
    return {
        "cpu": processor()[0],
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "onnxruntime": ort.__version__,
    }
