"""How numbers and their spread are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from emberline.bench.report.document import Cell, Column, Section, Table

#: Share of the CPU in other hands above which times are in doubt.
_QUIET: Final = 0.1


def number(value: float | None) -> str:
    """A measured number with three significant digits; a dash where there is none."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.{2 if abs(value) < 10 else 1}f}"


def times(value: float | None) -> str:
    """A ratio, e.g. ``2.31×``."""
    return "–" if value is None else f"{number(value)}×"


def fraction(value: float | None) -> str:
    """A share of one to four digits, which is where precisions differ."""
    return "–" if value is None else f"{value:.4f}"


def spread(summary: Mapping[str, Any], best: bool = False) -> Cell:
    """A median with the range of the repetitions."""
    low, high = number(summary["minimum"]), number(summary["maximum"])
    return Cell(number(summary["median"]), f"{low}–{high}" if low != high else "", best)


def best_of(values: Sequence[float | None], higher_is_better: bool) -> float | None:
    """The best of the values that there are; None if there are fewer than two: it would be the best of nothing."""
    found = [value for value in values if value is not None]
    if len(found) < 2:
        return None
    return max(found) if higher_is_better else min(found)


def disturbed(result: Mapping[str, Any]) -> str:
    """A warning where something else was running; empty where nothing was."""
    busy, stolen = result["environment"]["busy_before"], result["environment"]["stolen"]
    if max(busy, stolen) <= _QUIET:
        return ""
    return (
        f"The machine was not idle: others used {busy:.0%} of the CPU just before the measurement, and {stolen:.1%} "
        "was stolen by other machines during it. Measure again before you rely on a time."
    )


def conditions(result: Mapping[str, Any]) -> Section:
    """The machine, the software and the command."""
    found = result["environment"]
    packages = ", ".join(f"{package['name']} {package['version']}" for package in found["packages"])
    rows = (
        ("Command", f"{found['command_line']}"),
        ("Begun", found["created"]),
        ("CPU", f"{found['cpu']}, {found['cores']} cores; {', '.join(found['flags'])}"),
        ("Memory", f"{number(found['memory_gb'])} GB"),
        ("System", f"{found['system']}, Python {found['python']}"),
        ("Packages", packages),
        ("Commit", found["commit"] or "none (not run from a source tree)"),
        (
            "Others",
            f"{found['busy_before']:.0%} of the CPU just before, {found['stolen']:.1%} stolen by other machines; load "
            f"average {found['load_before']:.2f} before, {found['load_after']:.2f} after",
        ),
    )
    return Section(
        f"How it was measured: {result['command']}",
        (
            Table(
                (Column("Condition", number=False), Column("Value", number=False)),
                tuple((Cell(name), Cell(value)) for name, value in rows),
            ),
        ),
    )
