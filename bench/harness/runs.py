"""The training runs whose models were measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emberline.engine.bundle import sha256
from emberline.export.data.description import Description
from emberline.export.model import WEIGHTS
from emberline.export.training.run import RunFolder, RunSettings


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run that was measured.

    Attributes:
        path: its folder.
        data_set: that it was trained on.
        sha256: of the model's weights: results of equal ones are of the same model.
        max_length: tokens a text.
    """

    path: str
    data_set: str
    sha256: str
    max_length: int


def summarise_run(root: Path) -> RunRecord:
    """Name a finished run in a result.

    Raises:
        DataError: the folder holds no run.
    """
    folder = RunFolder(root)
    length = RunSettings.read(folder.config).training.max_length
    return RunRecord(str(root), Description.read(folder.description).name, sha256(folder.model / WEIGHTS), length)
