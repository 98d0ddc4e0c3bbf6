"""How training and export report their progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """Receives every step; shows a bar, writes a line, or ignores it."""

    def __call__(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        """Report a step.

        Args:
            stage: the name of the stage, e.g. ``teacher``, ``joint`` or ``quantising``.
            step: the number of finished steps of the stage.
            total: the number of all its steps.
            values: losses and measures of the step by name; often empty.
        """


def silent(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:  # a Progress
    """Report nothing."""
