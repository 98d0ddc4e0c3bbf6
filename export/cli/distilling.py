"""`emberline distill`: from a run to a smaller model's run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from emberline.engine.cli.options import AsJson
from emberline.engine.cli.output import print_json
from emberline.engine.cli.settings import GivenSettings, takes_settings
from emberline.export.training.distillconfig import DistillConfig

from .modules import require_export_extra
from .resuming import resumable


@takes_settings(DistillConfig)
def distill(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The teacher: a trained run.", show_default=False)],
    student: Annotated[Path, typer.Argument(metavar="STUDENT", help="The student's folder.", show_default=False)],
    layers: Annotated[int, typer.Option(min=0, help="Number of the teacher's layers that the student has.")] = 0,
    static: Annotated[
        bool, typer.Option("--static", help="A student without layers: the sum of its word pieces' vectors.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the student that is in the folder.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Delete the run that is in the folder first.")] = False,
    as_json: AsJson = False,
    *,
    settings: GivenSettings,
) -> None:
    """Make a smaller, faster model of a trained one, on the same data; a run like any other comes out."""
    config = settings.make(DistillConfig)
    require_export_extra("emberline distill")
    from emberline.export.training.distill import StudentShape
    from emberline.export.training.distill import distill as distill_run
    from emberline.export.training.run import load_run

    from .progress import shown

    shape = StudentShape(layers, static)
    with resumable(student), shown() as progress:
        report = distill_run(load_run(run), student, shape, config, progress, resume=resume, again=again)
    if as_json:
        print_json({"run": str(student), **report})
        return
    for line in lines(student, report):
        typer.echo(line)


def lines(student: Path, report: Mapping[str, Any]) -> list[str]:
    """What a distillation ends with, in a few lines; all of it is in ``student.json``.

    Args:
        student: the student's folder.
        report: of the student.
    """
    found = [
        f"{name}: {one['student']:.3f}, {one['ratio']:.1%} of the teacher's {one['teacher']:.3f} (NDCG@10)"
        for name, one in report["ndcg@10"].items()
    ]
    cut = ", cut short by --max-minutes" if report["cut"] else ""
    found.append(f"{report['steps']} steps in {report['seconds'] / 60:.1f} minutes{cut}")
    return [*found, f"{student} is trained; next: emberline export {student} BUNDLE"]
