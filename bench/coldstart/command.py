"""The command `emberline bench coldstart`.

What it needs is imported where it runs: `emberline --help` has to be quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from emberline.engine.errors import ConfigError

from .settings import ColdStartSettings

if TYPE_CHECKING:
    from emberline.engine.bundle import Precision
    from emberline.export.data.description import Description

    from .plan import Plan

SETTINGS: Final = ColdStartSettings()
BUILT_IN: Final = "ml-100k"
KNOWN: Final = ",".join(map(str, SETTINGS.known))

DescriptionOf = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="The data set: `ml-100k`, or a description file (docs/data.md).",
        show_default="that of the runs; ml-100k without any",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The data's folder.", show_default="the one that the description names"),
]
Runs = Annotated[
    list[str],
    typer.Option(
        "--run",
        metavar="[NAME=]DIR",
        help="A training run whose model is measured, on the split that it was trained on. May be repeated: runs of "
        "one name are the seeds of one model, other names make other rows.",
        show_default="none: baselines alone",
    ),
]
Bundles = Annotated[
    list[Path],
    typer.Option(
        "--bundle",
        metavar="BUNDLE",
        help="A bundle that was exported from a run: it is served in a process of its own and asked over a socket. One "
        "for each --run, in the same order.",
        show_default="none",
    ),
]
Train = Annotated[
    bool, typer.Option("--train", help="Train a model for each seed that no --run is given for, and one for by time.")
]
Keep = Annotated[
    Path | None,
    typer.Option(
        "--runs", metavar="DIR", help="Where trained runs are kept, to be found again.", show_default="OUT/runs"
    ),
]
GraphFile = Annotated[
    Path | None,
    typer.Option(
        "--graph",
        metavar="FILE",
        help="Facts about the items, a tab-separated table of item, relation and entity: everything that reads the "
        "items is measured with them, too, and with --train a model is trained with them.",
        show_default="none",
    ),
]
Setting = Annotated[
    list[str],
    typer.Option(metavar="NAME=VALUE", help="A setting of docs/training.md for what is trained here. May be repeated."),
]
Ablate = Annotated[
    str,
    typer.Option(
        metavar="NAME,…",
        help="Train the model with one thing changed, for each name; `all`: for every one that there is.",
        show_default="none",
    ),
]
Budget = Annotated[
    float,
    typer.Option(metavar="SHARE", help="Of its steps that each training of --ablate makes, above 0 and at most 1."),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="N,…",
        help="Each draws other cold items and users.",
        show_default=f"those of the runs; {','.join(map(str, SETTINGS.seeds))} without any",
    ),
]
Known = Annotated[str, typer.Option(metavar="N,…", help="How many likes of new users are known.")]
Tune = Annotated[
    bool,
    typer.Option("--tune/--no-tune", help="Whether settings of baselines are chosen on held-out training rows."),
]
BadData = Annotated[
    bool, typer.Option("--bad-data/--no-bad-data", help="Whether new items are measured with bad data, too.")
]


def settings_of(plan: Plan, seeds: str | None, known: str, tune: bool) -> ColdStartSettings:
    """The settings, out of the command line's texts.

    Without seeds, they are those of the runs: a model beside baselines that were measured under more seeds than it was
    would look better or worse than it is.

    Raises:
        ConfigError: one is out of its range, or no list of numbers.
        DataError: a run cannot be read.
    """
    from emberline.export.training.run import RunFolder, RunSettings

    found = SETTINGS.seeds
    if seeds is not None:
        found = _numbers("--seeds", seeds)
    elif plan.runs and not plan.train:
        found = tuple(sorted({RunSettings.read(RunFolder(path).config).split_seed for _, path in plan.runs}))
    return ColdStartSettings(seeds=found, known=_numbers("--known", known), tune=tune)


def plan_of(
    *,
    description: str | None,
    data: Path | None,
    graph: Path | None,
    runs: Sequence[str],
    bundles: Sequence[Path],
    precision: Precision,
    train: bool,
    ablate: str,
    budget: float,
    setting: Sequence[str],
    folder: Path,
    bad_data: bool,
) -> Plan:
    """What takes part, out of the command line's arguments.

    Raises:
        ConfigError: an ablation or a setting is unknown, bundles and runs do not match, or it is not clear what to
            train on.
        DataError: the description or a run cannot be read.
    """
    from emberline.engine.cli.settings import settings_from
    from emberline.export.training.config import TrainConfig

    from .ablations import chosen
    from .plan import MODEL, Plan

    named = [run.partition("=") for run in runs]
    found = [(name, Path(path)) if equals else (MODEL, Path(name)) for name, equals, path in named]
    described = _described(description, [path for _, path in found], train or bool(ablate))
    return Plan(
        description=described[0],
        data=data or described[1],
        graph=graph,
        runs=tuple(found),
        bundles=tuple(bundles),
        precision=precision,
        train=train,
        ablations=tuple(chosen([name.strip() for name in ablate.split(",") if name.strip()])),
        budget=budget,
        training=TrainConfig(**settings_from(TrainConfig, setting)),
        folder=folder,
        bad_data=bad_data,
    )


def _described(given: str | None, runs: Sequence[Path], train: bool) -> tuple[Description, Path | None]:
    """The data set's description without a graph, and where its data lies if that is not in it."""
    from emberline.export.data.description import Description
    from emberline.export.training.run import RunFolder, RunSettings

    from .variants import without_facts

    if given is not None:
        path = Path(given)
        return (Description.read(path) if path.suffix == ".toml" else Description.builtin(given)), None
    if not runs:
        return Description.builtin(BUILT_IN), None
    folders = [RunFolder(run) for run in runs]
    found = [(RunSettings.read(folder.config).data, Description.read(folder.description)) for folder in folders]
    data, description = next((one for one in found if one[1].graph is None), found[0])
    if description.graph is not None and train:
        raise ConfigError("all runs have facts of a graph; say with --description what to train on without them")
    return without_facts(description), data


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"{option} must be whole numbers with commas between them, not {text!r}") from None
