"""A training from its settings to its run folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from emberline.engine.errors import ConfigError
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.pretrained import Pretrained, Pruning, load, pruned
from emberline.export.progress import Progress, silent

from .alone import possible, sized
from .config import TrainConfig
from .examples import Examples
from .run import RunFolder, RunSettings
from .student import shortened
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
    again: bool = False,
    source: Pretrained | None = None,
) -> TrainedModel:
    """Train a model and leave a run folder.

    Args:
        dataset: what to learn from.
        split: what is held out; nothing of it is used but to calibrate (validation rows) and to measure at the end.
        config: the settings.
        run_dir: the run's folder; made if it is not there.
        progress: called with every step.
        data_folder: where the data was read from, if not from where its description says.
        resume: go on from the folder's checkpoint; the result is that of an unbroken run.
        again: delete the run that is in the folder first; a folder that holds none is left as it is.
        source: the encoder where training starts; None: that of the settings.

    Raises:
        ConfigError: the folder holds a run already, or is to be resumed with other settings, or has none to resume.
        DataError: the encoder cannot be loaded, or the checkpoint cannot be read.
    """
    folder = RunFolder(run_dir)
    examples = Examples.of(dataset, split)
    config = possible(config, examples)
    settings = RunSettings(config, data_folder, split.seed, split.fractions)
    _check(folder, settings, resume=resume, again=again)
    # Before the folder is written, so that a start that fails leaves no run behind, nor deletes one.
    torch.manual_seed(config.seed)
    pruning = None
    if source is None:
        source, pruning = _pretrained(dataset, config)
    if not resume:
        _check(folder, settings, resume=False, again=again)  # another training may have begun there meanwhile
        _begin(folder, dataset, settings)
        if pruning is not None:
            folder.vocabulary.write_text(json.dumps(pruning.as_dict(), indent=2) + "\n", encoding="utf-8")
    with threads(config.threads):
        trainer = Trainer.start(examples, sized(config, examples), folder, progress, source)
        trainer.run()
        return trainer.finish(dataset, split)


def _pretrained(dataset: Dataset, config: TrainConfig) -> tuple[Pretrained, Pruning | None]:
    """The encoder of the settings, and what became of its vocabulary if that was pruned."""
    if config.static:
        raise ConfigError("an encoder without layers has to be distilled: `emberline distill RUN STUDENT --static`")
    source = load(config.encoder, config.max_length)
    if config.layers:
        source = Pretrained(shortened(source.encoder, config.layers), source.tokenizer)
    if not config.vocabulary:
        return source, None
    return pruned(source, [*dataset.item_texts(), *dataset.user_texts()], config.vocabulary)


def _check(folder: RunFolder, settings: RunSettings, *, resume: bool, again: bool) -> None:
    if folder.config.exists() and not (resume or again):
        raise folder.taken("train")
    if resume:
        RunSettings.read(folder.config).require_same(settings)


def _begin(folder: RunFolder, dataset: Dataset, settings: RunSettings) -> None:
    try:
        if folder.config.is_file():
            shutil.rmtree(folder.root)
        folder.root.mkdir(parents=True, exist_ok=True)
        folder.description.write_text(dataset.description.toml, encoding="utf-8")
        settings.write(folder.config)
    except OSError as error:
        raise ConfigError(f"{folder.root} cannot be written to ({error.strerror}); choose another folder") from error


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch have so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
