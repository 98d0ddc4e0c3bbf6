"""The packages that training and export need."""

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


def require_export_extra(command: str) -> None:
    """Check that the `export` extra is installed, before any work is done and before torch is loaded.

    Raises:
        MissingExtra: a package is not installed.
    """
    need(command, "export", *_MODULES)
    # Threads that spin while they wait take the cores from other programs; a busy machine is then several times as
    # slow.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
