"""The program as a user calls it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from emberline.engine.cli import main


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, which has to be one JSON document and nothing else."""
        return json.loads(self.out)


@pytest.fixture
def emberline(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs the program with arguments, as its console script does, and perhaps with something to read."""

    def run(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["emberline", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    monkeypatch.setenv("COLUMNS", "200")  # tables as on a wide terminal
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")  # the program sets it, and would leave it set
    return run
