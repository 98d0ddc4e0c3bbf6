"""Cells of the tables of `bench coldstart`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mean_of(row: Mapping[str, Any], measure: str) -> float | None:
    """A measure's mean, if the row has it."""
    value: float | None = next((one["mean"] for one in row["measures"] if one["name"] == measure), None)
    return value


def seeds_of(row: Mapping[str, Any], measure: str) -> str:
    """The range of a measure over the seeds; nothing if there is one."""
    seeds = next(one["seeds"] for one in row["measures"] if one["name"] == measure)
    return f"{min(seeds):.3f}–{max(seeds):.3f}" if len(seeds) > 1 else ""


def three(value: float | None) -> str:
    """A measure with three decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def is_best(value: float | None, best: float | None) -> bool:
    """Whether a value is the best one."""
    return value is not None and value == best
