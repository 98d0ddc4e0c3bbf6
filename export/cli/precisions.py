"""Precisions by the names that the command line gives."""

from __future__ import annotations

from collections.abc import Sequence

from emberline.engine.bundle import PRECISIONS, Precision
from emberline.engine.errors import ConfigError


def precisions_from(named: Sequence[str]) -> list[Precision]:
    """In the order that they have.

    Raises:
        ConfigError: there is no such precision.
    """
    unknown = set(named) - set(PRECISIONS)
    if unknown:
        raise ConfigError(f"--precision {min(unknown)}: choose from {', '.join(PRECISIONS)}")
    return [precision for precision in PRECISIONS if precision in named]
