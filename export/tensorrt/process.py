"""Runs the builder's process: reports its progress, can cancel it, and turns its end into a result or an error."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from emberline.engine.errors import ExportError

from .job import BuildJob, BuildResult

_COMMAND: Final = (sys.executable, "-m", "emberline.export.tensorrt.worker")

_log = logging.getLogger(__name__)


class BuildProcess:
    """One build. `run` waits for it, `cancel` ends it from any thread."""

    def __init__(self, job: BuildJob) -> None:
        self._job = job
        self._cancelled = False
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # `run` closes it
        # A session of its own, so that Ctrl-C reaches only this process, which then ends the build.
        self.process = subprocess.Popen(
            (*_COMMAND, job.to_line()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
        )

    def run(self, progress: Callable[[str], None]) -> BuildResult:
        """Wait until the engine is written.

        Args:
            progress: receives the name of each phase.

        Raises:
            ExportError: TensorRT cannot build the engine, the disk is full, or the build was cancelled or killed.
        """
        assert self.process.stdout is not None
        answer: dict[str, Any] = {}
        with self.process, self._stderr:
            try:
                for line in self.process.stdout:
                    message = _parse(line)
                    if "phase" in message:
                        progress(message["phase"])
                    answer.update(message)
                code = self.process.wait()
            except BaseException:
                self.process.kill()
                raise
            if code == 0 and "built" in answer:
                return BuildResult.from_json(answer["built"])
            raise ExportError(answer.get("error") or self._end(code))

    def cancel(self) -> None:
        """End the build; `run` raises, and the engine is not written."""
        self._cancelled = True
        self.process.kill()

    def _end(self, code: int) -> str:
        name = Path(self._job.onnx).name
        if self._cancelled:
            return f"the build of {name} was cancelled"
        self._stderr.seek(0)
        last = " | ".join(self._stderr.read().decode(errors="replace").strip().splitlines()[-3:])
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"TensorRT's process ended {how} while it built {name} for {self._job.architecture}" + (
            last and f": {last}"
        )


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if isinstance(message, dict):
        return message
    _log.info("TensorRT: %s", line.decode(errors="replace").strip())  # the library prints, too
    return {}
