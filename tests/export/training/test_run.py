from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emberline.engine.errors import DataError
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.training.config import TrainConfig
from emberline.export.training.loop import train
from emberline.export.training.run import RunFolder, load_run


def test_a_run_can_be_loaded_with_its_data(
    films: Path, dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path
) -> None:
    """Model, tokenizer, settings, labels, data and split are what the run was made with."""
    trained = train(dataset, parts, config, tmp_path, data_folder=films.parent)
    run = load_run(tmp_path)
    assert run.settings.training == config
    assert run.trained.model.config == trained.model.config
    texts = ["title: Film 1; genres: Comedy", ""]
    np.testing.assert_array_equal(run.trained.encode(texts), trained.encode(texts))
    again, split = run.data()
    assert again.item_texts() == dataset.item_texts()
    np.testing.assert_array_equal(split.train, parts.train)
    np.testing.assert_array_equal(split.cold_items, parts.cold_items)
    assert run.metrics["training"]["joint_steps"] == config.joint_steps


def test_warnings_of_the_data_are_kept(tmp_path: Path) -> None:
    """What was warned of before training can be said again at export; a run without a report has nothing to say."""
    folder = RunFolder(tmp_path)
    assert folder.data_warnings() == []
    folder.data.write_text('{"warnings": ["6% of the tokens are unknown"], "notes": []}')
    assert folder.data_warnings() == ["6% of the tokens are unknown"]


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    """An empty folder is not a run folder, and the error says how to make one."""
    with pytest.raises(DataError, match=r"is not a run folder: .*`emberline train`"):
        load_run(tmp_path)


def test_an_unfinished_run_is_named(dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path) -> None:
    """A run that was killed has no model yet, and the error says how to go on."""

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dataset, parts, config, tmp_path, kill)
    with pytest.raises(DataError, match=r"is not finished: .*--resume"):
        load_run(tmp_path)
