"""The command `emberline bench coldstart`; what it needs is imported where it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from emberline.bench.harness.settings import BENCH, EXPORT, RESULTS, CpuPrecision, Out, option, switch
from emberline.engine.cli.extras import need
from emberline.engine.cli.options import AsJson
from emberline.engine.errors import ConfigError

from .settings import ColdStartSettings

SETTINGS: Final = ColdStartSettings()
_SEEDS: Final = ",".join(map(str, SETTINGS.seeds))
_KNOWN: Final = ",".join(map(str, SETTINGS.known))
_NONE: Final[list[Any]] = []  # a default that typer reads and does not share


def coldstart(
    description: Annotated[
        list[str],
        option(
            "Data set: `ml-100k`, or a description file (docs/data.md). May be repeated: each data set is measured, "
            "and one table shows them side by side.",
            "NAME|FILE",
            shown="those of the runs; ml-100k without any",
        ),
    ] = _NONE,
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
    in_process: Annotated[
        bool,
        switch(
            "--in-process/--served",
            "Run the bundles' graphs in this process instead of asking servers: the same scores, and for many items "
            "much sooner.",
        ),
    ] = False,
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

    from .ablations import chosen
    from .coldstart import bench_coldstart
    from .datasets import measured_datasets
    from .plan import MODEL, Plan
    from .several import finish_several

    named = [one.partition("=") for one in run]
    found = [(name, Path(path)) if equals else (MODEL, Path(name)) for name, equals, path in named]
    names = tuple(chosen([name.strip() for name in ablate.split(",") if name.strip()]))
    sets = measured_datasets(description, found, bundle, train=train or bool(names))
    if len(sets) > 1 and (data or graph):
        raise ConfigError("--data and --graph are of one data set; measure those that need them by themselves")
    results = []
    for one in sets:
        place = out if len(sets) == 1 else out / one.description.name
        kept_runs = runs or out / "runs"
        plan = Plan(
            description=one.description,
            data=data or one.data,
            graph=graph,
            runs=one.runs,
            bundles=one.bundles,
            precision=precision.value,
            in_process=in_process,
            train=train,
            ablations=names,
            budget=budget,
            training=TrainConfig(**settings_from(TrainConfig, setting)),
            folder=kept_runs if len(sets) == 1 else kept_runs / one.description.name,
            kept=out / "kept",
            bad_data=bad_data,
        )
        settings = ColdStartSettings(seeds=_seeds(seeds, plan.runs, train), known=_numbers("--known", known), tune=tune)
        results.append(bench_coldstart(plan, settings))
        finish(results[-1], place, as_json and len(sets) == 1)
    if len(sets) > 1:
        finish_several(results, out, as_json)


def _seeds(given: str | None, runs: Sequence[tuple[str, Path]], train: bool) -> tuple[int, ...]:
    from emberline.export.training.run import RunFolder, RunSettings

    if given is not None:
        return _numbers("--seeds", given)
    if runs and not train:
        # Those of the runs: a model beside baselines that were measured under more seeds than it was would look better
        # or worse than it is.
        return tuple(sorted({RunSettings.read(RunFolder(path).config).split_seed for _, path in runs}))
    return SETTINGS.seeds


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"{option} must be whole numbers with commas between them, not {text!r}") from None
