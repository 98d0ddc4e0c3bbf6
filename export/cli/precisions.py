"""Parses the names of precisions on the command line."""

from __future__ import annotations

from collections.abc import Sequence

from emberline.engine.bundle import PRECISIONS, Precision
from emberline.engine.errors import ConfigError


def precisions_from(named: Sequence[str]) -> list[Precision]:
    """The named precisions in their usual order.

    Raises:
        ConfigError: a precision is unknown.
    """
    unknown = set(named) - set(PRECISIONS)
    if unknown:
        raise ConfigError(f"--precision {min(unknown)}: choose from {', '.join(PRECISIONS)}")
    return [precision for precision in PRECISIONS if precision in named]
