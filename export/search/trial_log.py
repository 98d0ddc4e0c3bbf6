"""The trials of a search in a file, so that no trial is repeated after a failure or for another objective.

The file has one JSON object per line: what the trials depend on, the relative times of this machine, and then the
trials. Each line is written before the next trial starts; an incomplete last line is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emberline.engine.errors import ExportError
from emberline.export.precision.recipe import Recipe

from .costs import RelativeTimes
from .trial import Trial


class TrialLog:
    """The file of trials. It has one writer at a time."""

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        """Read the file if its trials are comparable; otherwise start a new one.

        Args:
            path: the file; its folder is created.
            key: what the trials depend on.

        Raises:
            ExportError: the file cannot be read or written.
        """
        self.path = path
        self.times: RelativeTimes | None = None
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
                self.times = RelativeTimes(**line["times"])
            else:
                trial = Trial.from_dict(line["trial"])
                self.trials[trial.recipe] = trial

    def log_times(self, times: RelativeTimes) -> None:
        """Store the relative times of this machine."""
        self.times = times
        self._append({"times": times.as_dict()})

    def log_trial(self, trial: Trial) -> None:
        """Store a trial."""
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
    """The lines up to the first that is not a JSON object."""
    lines: list[dict[str, Any]] = []
    if not path.exists():
        return lines
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            break
        if not isinstance(entry, dict):
            break
        lines.append(entry)
    return lines
