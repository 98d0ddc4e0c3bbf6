"""The gate's report: measurements and verdict of every precision, as the bundle carries it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import onnxruntime as ort

from emberline.engine.bundle import Layout, Precision
from emberline.engine.machine import processor
from emberline.export.precision.encoders import Made
from emberline.export.predictor import Predictor
from emberline.export.progress import Progress
from emberline.export.training.measure import DatasetVectors

from .answers import Answers, examine
from .comparison import compare, quality
from .exam import Exam
from .thresholds import Threshold, Thresholds
from .verdict import verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate found.

    Attributes:
        report: fit for JSON; its keys are described in ``docs/export.md``.
        vectors: of every item and profile, in fp32.
    """

    report: Mapping[str, Any]
    vectors: DatasetVectors


def judge(
    reference: Predictor,
    load: Callable[[Precision], Predictor],
    made: Mapping[Precision, Made],
    layout: Layout,
    exam: Exam,
    thresholds: Thresholds,
    progress: Progress,
) -> Judgement:
    """Measure every precision and judge it.

    Args:
        reference: PyTorch's form of the model.
        load: gives the model's form in a precision.
        made: how the encoder of each precision was made, fp32 among them.
        layout: where the encoders lie.
        exam: what all are asked.
        thresholds: what each must reach.
        progress: told of the stage ``gate``.
    """
    steps = len(made) + 1
    progress("gate", 0, steps, {})
    wanted = examine(reference, exam)
    report: dict[str, Any] = {
        "precisions": {},
        "reference": quality(wanted, exam),
        "thresholds": {precision: asdict(thresholds.of[precision]) for precision in made},
        "machine": _machine(),
    }
    vectors = wanted.vectors
    for done, (precision, how) in enumerate(made.items(), start=1):
        progress("gate", done, steps, {})
        answers = examine(load(precision), exam)
        if precision == "fp32":
            vectors = answers.vectors
        report["precisions"][precision] = {
            **_judged(answers, wanted, exam, thresholds.of[precision]),
            "bytes": layout.encoder(precision).stat().st_size,
            "made": asdict(how),
        }
    progress("gate", steps, steps, {})
    return Judgement(report, vectors)


def _judged(answers: Answers, reference: Answers, exam: Exam, threshold: Threshold) -> dict[str, Any]:
    if fault := answers.fault():
        return {"passed": False, "failures": [fault], "measured": {}}
    measured = compare(answers, reference, exam)
    failures = verdict(measured, threshold)
    return {"passed": not failures, "failures": failures, "measured": measured}


def _machine() -> dict[str, Any]:
    return {
        "cpu": processor()[0],
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "onnxruntime": ort.__version__,
    }
