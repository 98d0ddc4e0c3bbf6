"""`emberline train`: from a data set to a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from emberline.engine.cli.options import AsJson
from emberline.engine.cli.output import print_json
from emberline.engine.cli.settings import GivenSettings, takes_settings
from emberline.engine.errors import ExportError
from emberline.export.training.config import TrainConfig

from .modules import require_export_extra
from .resuming import resumable


@takes_settings(TrainConfig)
def train(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)],
    description: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="The data set: `ml-100k`, or a description file (docs/data.md)."),
    ] = "ml-100k",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The data set's folder.", show_default="where the description says"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse data that would otherwise be left out and counted.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's checkpoint; the result is that of an unbroken run.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Delete the run that is in the folder first.")] = False,
    as_json: AsJson = False,
    *,
    settings: GivenSettings,
) -> None:
    """Train the multitask model, and measure it on items and users that were held out."""
    config = settings.make(TrainConfig)
    require_export_extra("emberline train")
    from emberline.export.data.coverage import Coverage
    from emberline.export.data.description import Description
    from emberline.export.data.reader import read
    from emberline.export.data.split import split
    from emberline.export.gate.holdout import HoldoutSet
    from emberline.export.pretrained import tokenizer_of
    from emberline.export.training.alone import TEXTS_ALONE
    from emberline.export.training.loop import train as train_model
    from emberline.export.training.run import RunFolder

    from .progress import shown

    described = Description.named(description)
    dataset, read_report = read(described, data, strict=strict)
    coverage = Coverage.of(dataset, tokenizer_of(config.encoder), config.max_length)
    read_report = coverage.added_to(read_report)
    typer.echo(read_report.summary(), err=True)
    parts = split(dataset, config.seed)
    try:
        HoldoutSet.of(dataset, parts).require_texts()
    except ExportError as error:
        typer.echo(f"WARNING: `emberline export` will refuse this model: {error}", err=True)
    if not len(dataset.interactions):
        typer.echo(f"{described.name}: {TEXTS_ALONE}", err=True)
    with resumable(run), shown() as progress:
        train_model(
            dataset,
            parts,
            config,
            run,
            progress,
            # A description outside a package names a place relative to itself, and its copy lies in the run.
            data_folder=data or (None if described.package else described.folder()),
            resume=resume,
            again=again,
        )
    RunFolder(run).data.write_text(json.dumps(read_report.as_dict(), indent=2) + "\n", encoding="utf-8")
    metrics = json.loads(RunFolder(run).metrics.read_text(encoding="utf-8"))
    if as_json:
        print_json({"run": str(run), "data": read_report.as_dict(), "metrics": metrics})
        return
    for line in summary(run, metrics):
        typer.echo(line)


def summary(run: Path, metrics: Mapping[str, Any]) -> list[str]:
    """What a training ends with, in a few lines; every measure is in ``metrics.json``.

    Args:
        run: the run's folder.
        metrics: those of the run.
    """
    from emberline.export.pretrained import Pruning
    from emberline.export.training.run import RunFolder
    from emberline.export.training.verdict import verdicts

    trained = metrics["training"]
    lines = [str(one["in words"]) for one in verdicts(metrics).values()] or [
        "The data is too small to compare the model with simple baselines."
    ]
    notes = []
    if trained["rare_labels"]:
        notes.append(f"{trained['rare_labels']:,} labels of too few items are left out.")
    if trained["long_texts"]:
        notes.append(f"{trained['long_texts']:,} texts are longer than max_length; their last fields are cut.")
    if not trained["dislikes"]:
        notes.append(
            "Every row is a like, so probabilities cannot be calibrated; the bundle will refuse `probability`."
        )
    if (kept := RunFolder(run).vocabulary).is_file():
        notes.append(str(Pruning(**json.loads(kept.read_text(encoding="utf-8")))))
    if notes:
        lines.append(" ".join(notes))
    cut = ", cut short by --max-minutes" if trained["cut"] else ""
    lines.append(
        f"{trained['joint_steps']} joint steps in {trained['seconds'] / 60:.1f} minutes{cut}; all measures: "
        f"{run / 'metrics.json'}, curves: {run / 'curves.png'}"
    )
    return [*lines, f"{run} is trained; next: emberline export {run} BUNDLE"]
