"""The trials of a search, in a file: nothing is tried twice, be it after a failure or for another target.

One JSON object a line: first what the trials depend on, then the machine's times, then a trial each. A line is on its
way to the disk before the next trial starts; one that was cut off is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emberline.engine.errors import ExportError
from emberline.export.precision.recipe import Recipe

from .costs import Times
from .trial import Trial


class Journal:
    """The file. It has one writer at a time."""

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        """Read what is there, if it is of the same search; begin anew otherwise.

        Args:
            path: the file; its folder is made.
            key: what the trials depend on.

        Raises:
            ExportError: the file cannot be read or written.
        """
        self.path = path
        self.times: Times | None = None
        self.trials: dict[Recipe, Trial] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = _whole_lines(path)
            kept = lines if lines and lines[0] == {"key": dict(key)} else [{"key": dict(key)}]
            path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from error
        for line in kept[1:]:
            if "times" in line:
                self.times = Times(**line["times"])
            else:
                trial = Trial.from_dict(line["trial"])
                self.trials[trial.recipe] = trial

    def timed(self, times: Times) -> None:
        """Keep the machine's times."""
        self.times = times
        self._append({"times": times.as_dict()})

    def tried(self, trial: Trial) -> None:
        """Keep a trial."""
        self.trials[trial.recipe] = trial
        self._append({"trial": trial.as_dict()})

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ExportError:
        return ExportError(f"the trials cannot be kept in {self.path} ({error.strerror}); write the bundle elsewhere")


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines up to the first that is no JSON object."""
    lines: list[dict[str, Any]] = []
    if not path.exists():
        return lines
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            break
        if not isinstance(found, dict):
            break
        lines.append(found)
    return lines
