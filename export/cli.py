"""The workshop's commands: `emberline train` and `emberline export`.

Torch and its companions are imported where a command needs them: `emberline --help` has to be quick, and the other
commands have to work without them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from emberline.engine.bundle import PRECISIONS, Precision
from emberline.engine.cli.extras import need
from emberline.engine.cli.options import AsJson
from emberline.engine.cli.output import print_json, print_table
from emberline.engine.errors import ConfigError

from .precision.recipe import RECIPES
from .search.target import MEASURES, MINUTES, Quest, Target
from .training.config import TrainConfig

if TYPE_CHECKING:
    from .data.description import Description
    from .training.run import RunFolder

_TRAIN: Final = TrainConfig()
#: Modules of the `export` extra.
_MODULES: Final = (
    "torch",
    "transformers",
    "optimum",
    "onnx",
    "polars",
    "implicit",
    "sklearn",
    "tensorboard",
    "matplotlib",
)

_Run = Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)]


def train(
    run: _Run,
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
    seed: Annotated[int, typer.Option(help="Of the training and of what is held out.")] = _TRAIN.seed,
    encoder: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="`minilm`, a local folder, or a BERT on the hub.")
    ] = _TRAIN.encoder,
    steps: Annotated[
        int, typer.Option(help="Steps on encoder and towers together; the time is in proportion.")
    ] = _TRAIN.joint_steps,
    max_minutes: Annotated[
        float, typer.Option(help="After this time those steps end early, and the result says so.")
    ] = _TRAIN.max_minutes,
    user_task: Annotated[float, typer.Option(help="Weight of behaviour prediction; 0: off.")] = _TRAIN.user_task,
    item_task: Annotated[float, typer.Option(help="Weight of attribute prediction; 0: off.")] = _TRAIN.item_task,
    pair_task: Annotated[float, typer.Option(help="Weight of the match of users and items; 0: off.")] = (
        _TRAIN.pair_task
    ),
    frozen_layers: Annotated[
        int, typer.Option(help="Layers of the encoder, from the bottom, that are not trained.")
    ] = _TRAIN.frozen_layers,
    dimensions: Annotated[int, typer.Option(help="Width of users' and items' vectors.")] = _TRAIN.dimensions,
    max_length: Annotated[int, typer.Option(help="Tokens a text; longer ones are cut.")] = _TRAIN.max_length,
    threads: Annotated[int, typer.Option(help="Of torch; the result depends on them.")] = _TRAIN.threads,
    setting: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Any other setting of docs/training.md. May be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's checkpoint; the result is that of an unbroken run.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Delete the run that is in the folder first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train the multitask model, and measure it on items and users that were held out."""
    config = replace(
        _TRAIN,
        **{
            **settings_from(setting or ()),
            "seed": seed,
            "encoder": encoder,
            "joint_steps": steps,
            "max_minutes": max_minutes,
            "user_task": user_task,
            "item_task": item_task,
            "pair_task": pair_task,
            "frozen_layers": frozen_layers,
            "dimensions": dimensions,
            "max_length": max_length,
            "threads": threads,
        },
    )
    _need("emberline train")
    from .data.reader import read
    from .data.split import split
    from .progress import shown
    from .training.alone import TEXTS_ALONE
    from .training.loop import train as train_model
    from .training.run import RunFolder

    described = _description(description)
    dataset, found = read(described, data, strict=strict)
    typer.echo(found.summary(), err=True)
    if not len(dataset.interactions):
        typer.echo(f"{described.name}: {TEXTS_ALONE}", err=True)
    if again:
        _remove(RunFolder(run))
    with shown() as progress:
        train_model(
            dataset,
            split(dataset, seed),
            config,
            run,
            progress,
            # A description outside a package names a place relative to itself, and its copy lies in the run.
            data_folder=data or (None if described.package else described.folder()),
            resume=resume,
        )
    RunFolder(run).data.write_text(json.dumps(found.as_dict(), indent=2) + "\n", encoding="utf-8")
    metrics = json.loads(RunFolder(run).metrics.read_text(encoding="utf-8"))
    if as_json:
        print_json({"run": str(run), "data": found.as_dict(), "metrics": metrics})
        return
    rows = [(part, name, f"{value:.4g}") for part, values in metrics.items() for name, value in values.items()]
    print_table({"measured on": "left", "": "left", "value": "right"}, rows)
    typer.echo(f"{run} is trained; next: emberline export {run} BUNDLE")


def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|BUNDLE", help="The run's folder; with --tensorrt or --triton, a bundle's.", show_default=False
        ),
    ],
    bundle: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", help="The folder to be written.", show_default=False)
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Beside fp32: {', '.join(PRECISIONS[1:])}. May be repeated. With --triton: the encoder's.",
            show_default="all; with --triton, fp16",
        ),
    ] = None,
    fine: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERS",
            help="Of int8: layers whose inputs get 16 bits, by kind or one by one (layer.3.ffn_up), or `none`. More is "
            "closer to PyTorch, and slower.",
            show_default="those that were found best for the encoder",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle of that name.")] = False,
    tensorrt: Annotated[
        str | None,
        typer.Option(
            metavar="PRECISION[,…]",
            help="Build TensorRT engines of a bundle, in its folder `engines`: fp32, fp16, int8, int8-fp16.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="MEASURE=VALUE|GPU[,…]",
            help="Search for the cheapest int8 that holds this, e.g. agreement=0.97: which layers get 16 bits or stay "
            f"fp32, how ranges are taken, how inputs are smoothed. Of {', '.join(MEASURES)}. Its trials are kept "
            "beside the bundle, so that another search goes on from there. With --tensorrt: the GPUs of the engines, "
            "e.g. sm86,sm89.",
            show_default="no search; with --tensorrt, the GPU at hand",
        ),
    ] = None,
    search_minutes: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="With --target: after this time the best that was found is taken.",
            show_default=f"{MINUTES:g}",
        ),
    ] = None,
    profiles: Annotated[
        str,
        typer.Option(
            metavar="MIN:OPT:MAX[,…]",
            help="Shapes of the engines, each BATCHxTOKENS; `data`: by the lengths of the bundle's texts.",
        ),
    ] = "data",
    library: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Builds the engines: tensorrt-rtx needs no GPU, tensorrt builds on the one at hand."
        ),
    ] = "tensorrt-rtx",
    triton: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a model repository for NVIDIA Triton.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export a run to ONNX, quantise it, and measure against PyTorch what each precision costs.

    A precision that fails the accuracy gate is written with that verdict; `emberline serve` refuses it.

    With --tensorrt or --triton, take a bundle further: to engines for GPUs, to a repository for Triton (docs/gpu.md).
    """
    if tensorrt is not None or triton is not None:
        if search_minutes is not None:
            raise ConfigError("--search-minutes is for a search, which exports a run: emberline export RUN BUNDLE")
        if bundle is not None:
            raise ConfigError("--tensorrt and --triton take a bundle alone: emberline export BUNDLE --tensorrt fp16")
        _further(source, precision, tensorrt, target, profiles, library, triton, as_json=as_json)
        return
    if bundle is None:
        raise ConfigError("the folder to be written is missing: emberline export RUN BUNDLE")
    run = source
    precisions = _precisions(precision or PRECISIONS)
    quest = _quest(target, search_minutes, fine)
    _need("emberline export")
    from emberline.engine.bundle import Bundle

    from .progress import shown
    from .training.run import load_run
    from .writer import write_bundle

    with shown() as progress:
        write_bundle(
            load_run(run),
            bundle,
            precisions=precisions,
            recipes=None if fine is None else {**RECIPES, "int8": replace(RECIPES["int8"], fine=_layers(fine))},
            quest=quest,
            replace=force,
            progress=progress,
        )
    opened = Bundle.open(bundle)
    verdicts = opened.report["precisions"]
    if as_json:
        print_json({"bundle": str(bundle), "model_id": opened.manifest.model_id, "report": opened.report})
        return
    print_table(
        {"precision": "left", "MB": "right", "agreement@10": "right", "gate": "left"},
        [
            (
                name,
                f"{verdict['bytes'] / 1e6:.1f}",
                # A graph that gives no numbers was not measured.
                f"{verdict['measured']['agreement@10']:.4f}" if verdict["measured"] else "–",
                "passed" if verdict["passed"] else f"failed: {'; '.join(verdict['failures'])}",
            )
            for name, verdict in verdicts.items()
        ],
    )
    if quest is not None:
        from .search.search import summary

        typer.echo(summary(opened.report["search"]))
    typer.echo(f"{bundle} is written ({opened.manifest.model_id}); next: emberline serve {bundle}")


def _further(
    root: Path,
    precision: Sequence[str] | None,
    tensorrt: str | None,
    target: str | None,
    profiles: str,
    library: str,
    triton: Path | None,
    *,
    as_json: bool,
) -> None:
    """From a bundle to engines, to a Triton repository, or both."""
    from rich.console import Console

    from emberline.engine.bundle import Bundle

    built = []
    if tensorrt is not None:
        need("emberline export --tensorrt", "export", "onnx")
        from .tensorrt.command import build_engines

        built = build_engines(root, tensorrt, target, profiles, library, Console(stderr=True))
    models: tuple[str, ...] = ()
    if triton is not None:
        from .triton.repository import Choice, write_repository

        onnx = _precisions(precision or ["fp16"])
        if len(onnx) != 1:
            raise ConfigError("--triton takes one --precision")
        accelerated: Precision = "int8-trt" if onnx[0] == "int8" else onnx[0]
        choice = Choice(onnx[0], accelerated, built[0] if built else None)
        models = write_repository(Bundle.open(root), triton, choice)
    if as_json:
        print_json({"engines": [{"file": str(one.path), **one.manifest.as_dict()} for one in built], "models": models})
        return
    if built:
        print_table(
            {"engine": "left", "MB": "right", "seconds": "right", "profiles": "left"},
            [
                (
                    one.path.relative_to(root),
                    f"{one.manifest.bytes / 1e6:.1f}",
                    f"{one.manifest.seconds:.1f}",
                    " ".join(map(str, one.manifest.profiles)),
                )
                for one in built
            ],
        )
        typer.echo(f"next, on such a GPU: emberline serve {root} --device tensorrt-engine")
    if models:
        typer.echo(f"{triton} has {', '.join(models)}; next: tritonserver --model-repository {triton}")


def _need(command: str) -> None:
    """Before any work is done, and before torch is loaded.

    Raises:
        MissingExtra: a package is not installed.
    """
    need(command, "export", *_MODULES)
    # Threads that wait by spinning take the cores from whatever else runs: several times as slow on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _description(named: str) -> Description:
    from .data.description import Description

    path = Path(named)
    return Description.read(path) if path.suffix == ".toml" else Description.builtin(named)


def _precisions(named: Sequence[str]) -> list[Precision]:
    unknown = set(named) - set(PRECISIONS)
    if unknown:
        raise ConfigError(f"--precision {min(unknown)}: choose from {', '.join(PRECISIONS)}")
    return [precision for precision in PRECISIONS if precision in named]


def _layers(named: str) -> frozenset[str]:
    """The layers of a recipe, from ``ffn_up,ffn_down``."""
    return frozenset() if named == "none" else frozenset(name.strip() for name in named.split(","))


def _quest(target: str | None, minutes: float | None, fine: str | None) -> Quest | None:
    """The search that is asked for, if one is."""
    if target is None:
        if minutes is not None:
            raise ConfigError("--search-minutes is for a search; add its --target, e.g. agreement=0.97")
        return None
    if fine is not None:
        raise ConfigError("--fine names the layers that --target searches for; give one of them")
    return Quest(Target.parse(target), MINUTES if minutes is None else minutes)


def settings_from(given: Sequence[str]) -> dict[str, Any]:
    """Settings from ``NAME=VALUE``, each of its setting's type.

    Raises:
        ConfigError: there is no such setting, or the value is not of its type.
    """
    kinds = {field.name: type(getattr(_TRAIN, field.name)) for field in fields(_TRAIN)}
    found: dict[str, Any] = {}
    for entry in given:
        name, equals, value = entry.partition("=")
        if not equals or name not in kinds:
            raise ConfigError(f"--setting {entry}: write NAME=VALUE with one of {', '.join(kinds)}")
        try:
            found[name] = kinds[name](value)
        except ValueError:
            raise ConfigError(f"--setting {entry}: {name} takes a value like {getattr(_TRAIN, name)}") from None
    return found


def _remove(run: RunFolder) -> None:
    """Delete a run, but never a folder that is none."""
    if run.config.is_file():
        shutil.rmtree(run.root)
