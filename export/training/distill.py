"""From a run to a student's run: the encoder distilled, then trained around it as around any encoder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from emberline.engine.errors import ConfigError, DataError
from emberline.export.pretrained import Pretrained
from emberline.export.progress import Progress, silent

from .distillation import Distillation
from .distillconfig import DistillConfig
from .examples import Examples
from .loop import threads, train
from .run import Run, RunFolder
from .student import shortened, static
from .texts import item_texts

#: What the report compares: the scenario in ``metrics.json``, and how people call it.
COMPARED: Final[Mapping[str, str]] = {
    "item cold": "new items",
    "user cold, 0 known": "new users, no like known",
    "user cold, 5 known": "new users, 5 likes known",
}
MEASURE: Final = "ndcg@10"


@dataclass(frozen=True, slots=True)
class StudentShape:
    """What is made of an encoder.

    Attributes:
        layers: how many of its layers; 0 for a static one.
        static: whether there are none.
    """

    layers: int = 0
    static: bool = False

    def __post_init__(self) -> None:
        if self.static == bool(self.layers):
            raise ConfigError("a student has --layers 1 or more, or is --static; give one of the two")


def distill(
    run: Run,
    out: Path,
    shape: StudentShape,
    config: DistillConfig | None = None,
    progress: Progress = silent,
    *,
    resume: bool = False,
    again: bool = False,
) -> dict[str, Any]:
    """Make a student of a run, and leave a run folder.

    Args:
        run: the teacher's.
        out: the student's folder; made if it is not there.
        shape: what the student is.
        config: how it is distilled; None: the defaults.
        progress: receives the stage ``distilling`` and those of training.
        resume: go on from what is in the folder.
        again: delete the run that is in the folder first.

    Returns:
        The report, which is also in the student's folder.

    Raises:
        ConfigError: the teacher has no more layers than the student is to have, or the folder holds a run already or
            has none to resume.
        DataError: the teacher's data are not there any more, or a checkpoint cannot be read.
    """
    config, folder = config or DistillConfig(), RunFolder(out)
    _check(run, folder, shape, resume=resume, again=again)
    try:
        dataset, split = run.data()
    except DataError as error:
        raise DataError(f"a student learns from the data of {run.folder.root}, but: {error}") from error
    model, training = run.trained.model, run.settings.training
    examples = Examples.of(dataset, split)
    if not any(item_texts(examples)):
        raise DataError(f"{run.folder.root} was trained on items without a text, so there is nothing to distill from")
    if again and folder.begun:
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    with threads(training.threads):
        torch.manual_seed(training.seed)
        if shape.static:
            student = static(model.encoder, run.trained.tokenizer, item_texts(examples))
        else:
            student = shortened(model.encoder, shape.layers)
        distillation = Distillation(model, student, run.trained.tokenizer, examples, training, config)
        distillation.run(folder.distillation, progress)
    source = Pretrained(student, run.trained.tokenizer)
    still = replace(training, layers=shape.layers, static=shape.static, joint_steps=0, warm_up_steps=0)
    train(
        dataset,
        split,
        still,
        out,
        progress,
        data_folder=run.settings.data,
        resume=folder.config.is_file(),
        source=source,
    )
    for file in (run.folder.data, run.folder.vocabulary):
        if file.is_file():
            shutil.copy(file, out)
    metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
    report = {
        "teacher": str(run.folder.root),
        "layers": shape.layers,
        "static": shape.static,
        "steps": distillation.step,
        "seconds": round(distillation.seconds, 1),
        "cut": distillation.cut,
        "missed": distillation.loss,
        MEASURE: _beside(metrics, run.metrics),
    }
    folder.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _check(run: Run, folder: RunFolder, shape: StudentShape, *, resume: bool, again: bool) -> None:
    there = int(run.trained.model.config.encoder["num_hidden_layers"])
    if there <= shape.layers or not there:
        raise ConfigError(
            f"{run.folder.root} has an encoder of {there} layers, and a student has fewer; distill from a larger run"
        )
    if folder.root.resolve() == run.folder.root.resolve():
        raise ConfigError(f"{folder.root} is the teacher's own folder; name another for the student")
    if folder.begun and not (resume or again):
        raise folder.taken("distill")
    if resume and not folder.begun:
        raise DataError(f"{folder.root} holds no student to go on with; leave out --resume")


def _beside(student: Mapping[str, Any], teacher: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The student's measures beside the teacher's, where both have them."""
    found = {}
    for part, name in COMPARED.items():
        if part in student and part in teacher:
            one, other = (metrics[part][MEASURE] for metrics in (student, teacher))
            found[name] = {"student": one, "teacher": other, "ratio": one / other if other else 1.0}
    return found
