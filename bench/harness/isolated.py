"""Runs one function in a process of its own: ``python -m emberline.bench.harness.isolated MODULE:FUNCTION``.

Its arguments come as JSON on standard input, its result goes as JSON to standard output. Standard library alone, so
that a peer's Python runs it too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any


class Failed(Exception):
    """The process failed; the message has its last words."""


def isolated(
    function: str,
    arguments: Mapping[str, Any],
    variables: Mapping[str, str],
    *,
    python: Path | str = sys.executable,
    patience: float | None = None,
) -> Any:
    """Call a function in a new process.

    Returns:
        What it returned, as JSON values.

    Raises:
        Failed: it raised, ended or took too long.
    """
    try:
        done = subprocess.run(
            [str(python), "-m", __name__, function],
            input=json.dumps(arguments),
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"it was not ready within {patience:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()[-3:]
        raise Failed("\n".join(lines) or f"it ended with exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Call the function that the command line names."""
    module, name = sys.argv[1].split(":")
    result = getattr(import_module(module), name)(**json.load(sys.stdin))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
