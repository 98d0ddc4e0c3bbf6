"""Which data sets are measured, and which runs and bundles are of which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from emberline.engine.errors import ConfigError
from emberline.export.data.description import Description
from emberline.export.data.facts import without_facts
from emberline.export.training.run import RunFolder, RunSettings

#: What is measured if nothing else is named.
BUILT_IN: Final = "ml-100k"

Runs = Sequence[tuple[str, Path]]


@dataclass(frozen=True, slots=True)
class MeasuredDataset:
    """A data set with the runs and bundles that are of it."""

    description: Description  # without a graph.
    data: Path | None  # where its data lies, if the description does not say it.
    runs: tuple[tuple[str, Path], ...] = ()  # by the names of their models.
    bundles: tuple[Path, ...] = ()  # one for each run, in the same order; empty: none.


def measured_datasets(
    descriptions: Sequence[str], runs: Runs, bundles: Sequence[Path], *, train: bool
) -> list[MeasuredDataset]:
    """Find the data sets.

    Args:
        descriptions: names and files; empty: those of the runs or, without any, `BUILT_IN`.
        runs: by the names of their models.
        bundles: exported from the runs.
        train: whether models are to be trained, for which a description without facts of a graph is needed.

    Raises:
        ConfigError: two descriptions have the same name, or a run is of none of several, or all runs of a data set have
            facts and something is to be trained without.
        DataError: a description or a run cannot be read.
    """
    named = [Description.named(one) for one in descriptions]
    if not named and not runs:
        named = [Description.builtin(BUILT_IN)]
    names = [one.name for one in named]
    if len(set(names)) < len(names):
        raise ConfigError(f"--description names {', '.join(names)}; each data set can be measured once")
    of = {path: _settings_and_description(path)[1].name for _, path in runs}
    if not named:
        by_name = dict.fromkeys(of.values())
        found = [_of_runs([path for _, path in runs if of[path] == name], train) for name in by_name]
    else:
        found = [MeasuredDataset(description, None) for description in named]
    if len(found) == 1:
        return [replace(found[0], runs=tuple(runs), bundles=tuple(bundles))]
    known = {one.description.name for one in found}
    for path, name in of.items():
        if name not in known:
            raise ConfigError(
                f"{path} is of {name}, which is none of {', '.join(sorted(known))}; add its --description"
            )
    if bundles and len(bundles) != len(runs):
        raise ConfigError(
            f"there are {len(bundles)} bundles and {len(runs)} runs; give one --bundle for each --run, in their order"
        )
    return [
        replace(
            one,
            runs=tuple((name, path) for name, path in runs if of[path] == one.description.name),
            bundles=tuple(
                bundle for bundle, (_, path) in zip(bundles, runs, strict=False) if of[path] == one.description.name
            ),
        )
        for one in found
    ]


def _of_runs(runs: Sequence[Path], train: bool) -> MeasuredDataset:
    """The data set of runs: described by one that has no facts of a graph, if there is one."""
    found = [_settings_and_description(run) for run in runs]
    settings, description = next((one for one in found if one[1].graph is None), found[0])
    if description.graph is not None and train:
        raise ConfigError("all runs have facts of a graph; say with --description what to train on without them")
    return MeasuredDataset(without_facts(description), settings.data)


def _settings_and_description(run: Path) -> tuple[RunSettings, Description]:
    folder = RunFolder(run)
    return RunSettings.read(folder.config), Description.read(folder.description)
