"""The gate's report: measurements and verdict of every precision, as the bundle carries it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnxruntime as ort

from emberline.engine.bundle import Layout, Precision
from emberline.export.precision.encoders import Made
from emberline.export.predictor import Predictor
from emberline.export.training.progress import Progress

from .answers import Answers, examine
from .comparison import compare, quality
from .exam import Exam
from .thresholds import Threshold, Thresholds
from .verdict import verdict


def judge(
    reference: Predictor,
    load: Callable[[Precision], Predictor],
    wanted: Collection[Precision],
    exam: Exam,
    thresholds: Thresholds,
    made: Made,
    layout: Layout,
    progress: Progress,
) -> dict[str, Any]:
    """Measure every precision and judge it.

    Args:
        reference: PyTorch's form of the model.
        load: gives the model's form in a precision.
        wanted: the precisions.
        exam: what all are asked.
        thresholds: what each must reach.
        made: how the encoders were made; goes into the report.
        layout: where the encoders lie.
        progress: told of the stage ``gate``.

    Returns:
        The report, fit for JSON; its keys are described in ``docs/export.md``.
    """
    steps = len(wanted) + 1
    progress("gate", 0, steps, {})
    answers = examine(reference, exam)
    report: dict[str, Any] = {
        "precisions": {},
        "reference": quality(answers, exam),
        "thresholds": {precision: asdict(thresholds.of[precision]) for precision in wanted},
        "calibration": {"texts": made.texts, "smoothing": dict(made.smoothing)},
        "machine": _machine(),
    }
    for done, precision in enumerate(wanted, start=1):
        progress("gate", done, steps, {})
        report["precisions"][precision] = {
            **_judged(examine(load(precision), exam), answers, exam, thresholds.of[precision]),
            "bytes": layout.encoder(precision).stat().st_size,
            "kernels": dict(made.kernels.get(precision, {})),
        }
    progress("gate", steps, steps, {})
    return report


def _judged(answers: Answers, reference: Answers, exam: Exam, threshold: Threshold) -> dict[str, Any]:
    if not answers.finite():
        return {"passed": False, "failures": ["gives values that are infinite or no numbers"], "measured": {}}
    measured = compare(answers, reference, exam)
    failures = verdict(measured, threshold)
    return {"passed": not failures, "failures": failures, "measured": measured}


def _machine() -> dict[str, Any]:
    return {"cpu": _cpu(), "cores": os.cpu_count(), "system": platform.platform(), "onnxruntime": ort.__version__}


def _cpu() -> str:
    """The processor's name; Linux has it in a file only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
