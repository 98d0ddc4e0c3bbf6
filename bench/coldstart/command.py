"""The command `emberline bench coldstart`; what it needs is imported where it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from emberline.bench.harness.settings import BENCH, EXPORT, RESULTS, CpuPrecision, Out, option, switch
from emberline.engine.cli.extras import need
from emberline.engine.cli.options import AsJson
from emberline.engine.errors import ConfigError

from .settings import ColdStartSettings

if TYPE_CHECKING:
    from emberline.export.data.description import Description

SETTINGS: Final = ColdStartSettings()
BUILT_IN: Final = "ml-100k"
_SEEDS: Final = ",".join(map(str, SETTINGS.seeds))
_KNOWN: Final = ",".join(map(str, SETTINGS.known))
_NONE: Final[list[Any]] = []  # a default that typer reads and does not share


def coldstart(
    description: Annotated[
        str | None,
        option(
            "Data set: `ml-100k`, or a description file (docs/data.md).",
            "NAME|FILE",
            shown="that of the runs; ml-100k without any",
        ),
    ] = None,
    data: Annotated[
        Path | None, option("Folder of the data.", "DIR", shown="the one that the description names")
    ] = None,
    run: Annotated[
        list[str],
        option(
            "Training run whose model is measured, on the split that it was trained on. May be repeated: runs "
            "of one name are the seeds of one model, other names make rows of their own.",
            "[NAME=]DIR",
            shown="none: baselines alone",
        ),
    ] = _NONE,
    bundle: Annotated[
        list[Path],
        option(
            "A bundle that was exported from a run: it is served in a process of its own and asked over a socket. "
            "One for each --run, in the same order.",
            "BUNDLE",
            shown="none",
        ),
    ] = _NONE,
    precision: Annotated[CpuPrecision, option("Precision of the bundles' encoders.")] = CpuPrecision.INT8,
    train: Annotated[
        bool, switch("--train", "Train a model for each seed that no --run is given for, and one for by time.")
    ] = False,
    runs: Annotated[
        Path | None, option("Folder in which trained runs are kept and found again.", "DIR", shown="OUT/runs")
    ] = None,
    graph: Annotated[
        Path | None,
        option(
            "Facts about the items, a tab-separated table of item, relation and entity: everything that reads the "
            "items is measured with them, too, and with --train a model is trained with them.",
            "FILE",
            shown="none",
        ),
    ] = None,
    ablate: Annotated[
        str,
        option(
            "Train the model with one thing changed, for each name; `all`: for every one that there is.",
            "NAME,…",
            shown="none",
        ),
    ] = "",
    budget: Annotated[
        float,
        option("Share of the training's steps that each training of --ablate makes, above 0 and at most 1.", "SHARE"),
    ] = 1.0,
    bad_data: Annotated[bool, switch("--bad-data/--no-bad-data", "Measure new items with bad data as well.")] = True,
    setting: Annotated[
        list[str], option("A setting of docs/training.md for what is trained here. May be repeated.", "NAME=VALUE")
    ] = _NONE,
    seeds: Annotated[
        str | None,
        option(
            "Seeds of the splits; each draws other cold items and users.",
            "N,…",
            shown=f"those of the runs; {_SEEDS} without any",
        ),
    ] = None,
    known: Annotated[str, option("Numbers of known likes of new users.", "N,…")] = ",".join(map(str, SETTINGS.known)),
    tune: Annotated[
        bool, switch("--tune/--no-tune", "Choose the settings of baselines on held-out training rows.")
    ] = SETTINGS.tune,
    out: Out = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Measure the model on new items and new users, beside baselines that are tuned on the same data."""
    need("emberline bench", "bench", *BENCH)
    need("emberline bench", "export", *EXPORT)
    from emberline.bench.report.report import finish
    from emberline.engine.cli.settings import settings_from
    from emberline.export.training.config import TrainConfig
    from emberline.export.training.run import RunFolder, RunSettings

    from .ablations import chosen
    from .coldstart import bench_coldstart
    from .plan import MODEL, Plan

    named = [one.partition("=") for one in run]
    found = tuple((name, Path(path)) if equals else (MODEL, Path(name)) for name, equals, path in named)
    described, place = _described(description, [path for _, path in found], train or bool(ablate))
    plan = Plan(
        description=described,
        data=data or place,
        graph=graph,
        runs=found,
        bundles=tuple(bundle),
        precision=precision.value,
        train=train,
        ablations=tuple(chosen([name.strip() for name in ablate.split(",") if name.strip()])),
        budget=budget,
        training=TrainConfig(**settings_from(TrainConfig, setting)),
        folder=runs or out / "runs",
        kept=out / "kept",
        bad_data=bad_data,
    )
    measured = SETTINGS.seeds
    if seeds is not None:
        measured = _numbers("--seeds", seeds)
    elif found and not train:
        # Those of the runs: a model beside baselines that were measured under more seeds than it was would look better
        # or worse than it is.
        measured = tuple(sorted({RunSettings.read(RunFolder(path).config).split_seed for _, path in found}))
    settings = ColdStartSettings(seeds=measured, known=_numbers("--known", known), tune=tune)
    finish(bench_coldstart(plan, settings), out, as_json)


def _described(given: str | None, runs: Sequence[Path], train: bool) -> tuple[Description, Path | None]:
    """The data set's description without a graph, and where its data lies if that is not in it."""
    from emberline.export.data.description import Description
    from emberline.export.data.facts import without_facts
    from emberline.export.training.run import RunFolder, RunSettings

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
