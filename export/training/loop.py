"""A training from its settings to its run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from emberline.engine.errors import ConfigError
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.progress import Progress, silent

from .alone import possible
from .config import TrainConfig
from .examples import Examples
from .run import RunFolder, RunSettings
from .trained import TrainedModel
from .trainer import Trainer


def train(
    dataset: Dataset,
    split: Split,
    config: TrainConfig,
    run_dir: Path,
    progress: Progress = silent,
    *,
    data_folder: Path | None = None,
    resume: bool = False,
) -> TrainedModel:
    """Train a model and leave a run folder.

    Args:
        dataset: what to learn from.
        split: what is held out; nothing of it is used but to calibrate (validation rows) and to measure at the end.
        config: the settings.
        run_dir: the run's folder; made if it is not there.
        progress: told of every step.
        data_folder: where the data was read from, if not from where its description says.
        resume: go on from the folder's checkpoint; the result is that of an unbroken run.

    Raises:
        ConfigError: the folder holds a run already, or is to be resumed with other settings, or has none to resume.
        DataError: the encoder cannot be loaded, or the checkpoint cannot be read.
    """
    folder = RunFolder(run_dir)
    examples = Examples.of(dataset, split)
    config = possible(config, examples)
    _prepare(folder, dataset, RunSettings(config, data_folder, split.seed, split.fractions), resume=resume)
    with _threads(config.threads):
        trainer = Trainer.start(examples, config, folder, progress)
        trainer.run()
        return trainer.finish(dataset, split)


def _prepare(folder: RunFolder, dataset: Dataset, settings: RunSettings, *, resume: bool) -> None:
    if folder.config.exists() and not resume:
        raise ConfigError(f"{folder.root} holds a run already; resume it with --resume, or train into another folder")
    if resume:
        RunSettings.read(folder.config).require_same(settings)
        return
    folder.root.mkdir(parents=True, exist_ok=True)
    folder.description.write_text(dataset.description.toml, encoding="utf-8")
    settings.write(folder.config)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
