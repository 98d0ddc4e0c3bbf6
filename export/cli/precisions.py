"""Parses the names of precisions on the command line."""

from __future__ import annotations

from collections.abc import Sequence

from emberline.engine.bundle import PRECISIONS, Arithmetic, Precision
from emberline.engine.errors import ConfigError


def arithmetics_from(named: Sequence[str]) -> list[Arithmetic]:
    """The named precisions and bf16, which is a precision of no graph.

    Raises:
        ConfigError: a precision is unknown.
    """
    graphs: list[Arithmetic] = [*precisions_from([name for name in named if name != "bf16"])]
    return [*graphs, "bf16"] if "bf16" in named else graphs


def precisions_from(named: Sequence[str]) -> list[Precision]:
    """The named precisions in their usual order.

    Raises:
        ConfigError: a precision is unknown.
    """
    unknown = set(named) - set(PRECISIONS)
    if unknown:
        raise ConfigError(f"--precision {min(unknown)}: choose from {', '.join(PRECISIONS)}")
    return [precision for precision in PRECISIONS if precision in named]
