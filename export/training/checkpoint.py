"""Checkpoints: where training stands, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from emberline.engine.errors import DataError

#: Of the file, and of what is in `tensors`; raised when either changes.
FORMAT: Final = 3


@dataclass(slots=True)
class Checkpoint:
    """Where training stands. Chance needs no state: it is drawn from the seed and the step's number.

    Attributes:
        stage: the index of the stage.
        step: how many of its steps are done.
        seconds: spent on all steps so far.
        cut: whether the time ran out in the joint stage.
        tensors: the model's, the optimizer's, the bank's and the teacher's state.
        curves: each step's values, oldest first.
    """

    stage: int
    step: int
    seconds: float
    cut: bool
    tensors: dict[str, Any]
    curves: list[dict[str, float | str]]

    def write(self, path: Path) -> None:
        """Write the checkpoint; a kill at any moment leaves the one before or this one."""
        position = {"stage": self.stage, "step": self.step, "seconds": self.seconds, "cut": self.cut}
        write_tensors(path, {"format": FORMAT, **position, "tensors": self.tensors, "curves": json.dumps(self.curves)})

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            DataError: it cannot be read, or was written by another version.
        """
        try:
            raw = torch.load(path, weights_only=True)
            if raw.pop("format", None) != FORMAT:
                raise ValueError("another version wrote it")
            return cls(**{**raw, "curves": json.loads(raw["curves"])})
        except Exception as error:  # torch raises many kinds
            raise DataError(f"{path} cannot be resumed from ({error}); train again into another folder") from error


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors, and what belongs to them; a kill at any moment leaves the file before or this one."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
