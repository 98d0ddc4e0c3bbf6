"""Parses the names of precisions on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from emberline.engine.bundle import ARITHMETICS, PRECISIONS, Arithmetic, Precision
from emberline.engine.errors import ConfigError

T = TypeVar("T", bound=str)


def arithmetics_from(named: Sequence[str]) -> list[Arithmetic]:
    """The named precisions, and bf16, which is that of no graph, in their usual order.

    Raises:
        ConfigError: a precision is unknown.
    """
    return _named(ARITHMETICS, named)


def precisions_from(named: Sequence[str]) -> list[Precision]:
    """The named precisions of graphs in their usual order.

    Raises:
        ConfigError: a precision is unknown.
    """
    return _named(PRECISIONS, named)


def _named(known: Sequence[T], named: Sequence[str]) -> list[T]:
    if unknown := set(named) - set(known):
        raise ConfigError(f"--precision {min(unknown)}: choose from {', '.join(known)}")
    return [one for one in known if one in named]
