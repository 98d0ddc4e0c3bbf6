"""The packages that the workshop's commands need."""

from __future__ import annotations

import os
from typing import Final

from emberline.engine.cli.extras import need

#: Modules of the `export` extra.
_MODULES: Final = (
    "torch",
    "transformers",
    "optimum",
    "onnx",
    "polars",
    "implicit",
    "sklearn",
    "tensorboard",
    "matplotlib",
)


def need_workshop(command: str) -> None:
    """Check that the `export` extra is installed, before any work is done and before torch is loaded.

    Raises:
        MissingExtra: a package is not installed.
    """
    need(command, "export", *_MODULES)
    # Threads that wait by spinning take the cores from whatever else runs: several times as slow on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
