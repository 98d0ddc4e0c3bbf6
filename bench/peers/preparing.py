"""Lets a peer make its own form of the model: ``python -m emberline.bench.peers.preparing MODULE``, in its environment.

In a process of its own, so that what conversion takes is not part of the memory that is measured. The material comes as
JSON on standard input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

#: Seconds for a conversion or a quantisation.
_PATIENCE: Final = 1800.0


def prepare(python: Path, module: str, material: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Run a module's `prepare`.

    Args:
        python: the peer's.
        module: the peer's target.
        material: what the peer is given.
        environment: variables for the process.

    Returns:
        Why it failed; empty if it did not.
    """
    try:
        done = subprocess.run(
            [str(python), "-m", __name__, module],
            input=json.dumps(material),
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return f"it was not ready within {_PATIENCE:.0f} s"
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else "\n".join(lines[-3:]) or f"it ended with exit code {done.returncode}"


def main() -> None:
    """Prepare what the command line names, if the module has anything to prepare."""
    own = getattr(import_module(sys.argv[1]), "prepare", None)
    if own is not None:
        own(json.load(sys.stdin))


if __name__ == "__main__":
    main()
