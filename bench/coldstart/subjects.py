"""The models that are measured, each out of a training run; one that is trained on the spot is kept and found again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from emberline.engine.errors import BenchError
from emberline.export.data.moment import NO_SEED
from emberline.export.data.split import Fractions, Split
from emberline.export.model import ENCODER, WEIGHTS
from emberline.export.training.config import TrainConfig
from emberline.export.training.loop import train
from emberline.export.training.measure import DatasetVectors, scores
from emberline.export.training.run import Run, RunFolder, RunSettings, load_run
from emberline.export.training.trained import TrainedModel

from .entries import Entry, put
from .plan import Plan
from .tasks import Round
from .variants import DatasetVariant


@dataclass(frozen=True, slots=True)
class Subject:
    """A trained model."""

    name: str  # as it stands in the tables; the same for all seeds.
    seed: int  # seed of the split that it was trained on.
    run: Run  # where it comes from.

    @property
    def model(self) -> TrainedModel:
        """The model."""
        return self.run.trained

    @property
    def facts(self) -> bool:
        """Whether it was trained with facts from a graph."""
        return self.run.description.graph is not None

    @property
    def fit_seconds(self) -> float | None:
        """What its training took, as its run says."""
        training: dict[str, Any] = self.run.metrics.get("training", {})
        return training.get("seconds")

    def renamed(self, name: str) -> Subject:
        """The same under another name."""
        return replace(self, name=name)

    @property
    def kept_mb(self) -> float:
        """Its weights."""
        files = [self.run.folder.model / name for name in (ENCODER, WEIGHTS)]
        return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def load_subjects(runs: Sequence[tuple[str, Path]]) -> list[Subject]:
    """Load runs by name and folder.

    Raises:
        DataError: a folder holds no finished run.
        BenchError: two of one name have the same seed, they are of different data sets, or one was trained on a split
            with other fractions.
    """
    found: list[Subject] = []
    for name, folder in runs:
        run = load_run(folder)
        if run.settings.fractions != Fractions():
            raise BenchError(
                f"{folder} was trained on a split with {run.settings.fractions}; cold start is measured with "
                f"{Fractions()}, train it with these"
            )
        found.append(Subject(name, run.settings.split_seed, run))
    for place, one in enumerate(found):
        for other in found[:place]:
            if (one.name, one.seed) == (other.name, other.seed):
                raise BenchError(
                    f"{one.run.folder.root} and {other.run.folder.root} are both of seed {one.seed}; give one of them "
                    f"another name: --run NAME={one.run.folder.root}"
                )
            if one.run.description.name != other.run.description.name:
                raise BenchError(
                    f"{one.run.folder.root} is of {one.run.description.name} and {other.run.folder.root} of "
                    f"{other.run.description.name}; measure one data set at a time"
                )
    return found


def enter_subject(subject: Subject, vectors: DatasetVectors, encode_seconds: float, final: Round) -> Iterator[Entry]:
    """Put a model to all scenarios.

    Args:
        subject: trained on the training rows of this split.
        vectors: its encoder's, of the data set.
        encode_seconds: that these took. They belong to fitting: a catalogue is encoded once, whoever asks.
        final: the scenarios.
    """
    fit_seconds = None if subject.fit_seconds is None else subject.fit_seconds + encode_seconds
    yield from put(
        final,
        partial(scores, subject.model, vectors),
        method=subject.name,
        kind="model",
        facts=subject.facts,
        settings=str(subject.run.folder.root),
        fit_seconds=fit_seconds,
        kept_mb=subject.kept_mb,
    )


def trained(
    name: str, variant: DatasetVariant, split: Split, config: TrainConfig, plan: Plan, say: Callable[[str], None]
) -> Subject:
    """Train a model, or go on with its training, or take it as it is if it is finished.

    Raises:
        ConfigError: there is a run of that name with other settings.
    """
    words = [*re.findall("[a-z0-9]+", name.lower()), *(["facts"] if variant.facts else [])]
    moment = "by-time" if split.seed == NO_SEED else str(split.seed)
    folder = RunFolder(plan.folder / "-".join([*words, moment]))
    description = variant.dataset.description
    # A description outside a package names a place relative to itself, and its copy lies in the run.
    data = plan.data or (None if description.package else description.folder())
    if folder.model.is_dir():
        RunSettings.read(folder.config).require_same(RunSettings(config, data, split.seed, split.fractions))
    else:
        say(f"training {name}, at most {config.max_minutes:g} minutes of joint steps")
        train(variant.dataset, split, config, folder.root, data_folder=data, resume=folder.config.exists())
    return Subject(name, split.seed, load_run(folder.root))
