"""Runs that are trained on the spot, and kept: the same measurement again finds them finished."""

from __future__ import annotations

import re
from collections.abc import Callable

from emberline.export.data.moment import NO_SEED
from emberline.export.data.split import Split
from emberline.export.training.config import TrainConfig
from emberline.export.training.loop import train
from emberline.export.training.run import RunFolder, RunSettings, load_run

from .plan import Plan
from .subjects import Subject
from .variants import DatasetVariant


def trained(
    name: str, variant: DatasetVariant, split: Split, config: TrainConfig, plan: Plan, say: Callable[[str], None]
) -> Subject:
    """Train a model, or go on with its training, or take it as it is if it is finished.

    Args:
        name: of the model, which names its folder too.
        variant: what to learn from.
        split: what is held out.
        config: the settings.
        plan: where runs are kept, and where the data lies.
        say: told what is being done.

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
        say(f"seed {split.seed}: training {name}")
        train(variant.dataset, split, config, folder.root, data_folder=data, resume=folder.config.exists())
    return Subject(name, split.seed, load_run(folder.root))
