"""How training and export report their progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """Told of every step; shows a bar, writes a line, or does nothing."""

    def __call__(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        """Take note of a step.

        Args:
            stage: ``teacher``, ``encoding``, ``warm-up``, ``towers``, ``joint``, ``final``, ``evaluation``.
            step: how many steps of the stage are done.
            total: how many it has.
            values: losses and measures of this step, by name; often empty.
        """


def silent(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:  # a Progress
    """Tell nobody."""
