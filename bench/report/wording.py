"""How numbers, their spread and a result's conditions are written; and the report's prose, which lies in templates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from emberline.bench.harness.measurements import Summary

from .document import Cell, Column, Section, Table

#: Stands where there is no number.
DASH: Final = "–"
#: Share of the CPU in other hands above which times are in doubt.
_QUIET: Final = 0.1


def number(value: float | None) -> str:
    """A measured number with three significant digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.{2 if abs(value) < 10 else 1}f}"


def times(value: float | None) -> str:
    """A ratio, e.g. ``2.31×``."""
    return DASH if value is None or not math.isfinite(value) else f"{number(value)}×"


def three(value: float | None) -> str:
    """A measure with three decimals."""
    return DASH if value is None else f"{value:.3f}"


def four(value: float | None) -> str:
    """A share with four decimals, which is where precisions differ."""
    return DASH if value is None else f"{value:.4f}"


def six(value: float | None) -> str:
    """A cosine with six decimals."""
    return DASH if value is None else f"{value:.6f}"


def span(summary: Summary | None) -> str:
    """The range of repetitions; nothing if it is none."""
    if summary is None:
        return ""
    low, high = number(summary.minimum), number(summary.maximum)
    return f"{low}–{high}" if low != high else ""


def percent(share: float, digits: int = 0) -> str:
    """A share in per cent, e.g. ``95%``."""
    return f"{share:.{digits}%}"


def change(ratio: float) -> str:
    """A ratio as a change, e.g. ``+14%``."""
    return f"{ratio - 1:+.0%}"


def prose(passage: str, **given: Any) -> str:
    """A passage of text: ``latency.lead`` is the block `lead` of the template ``prose/latency.jinja``, filled in.

    Raises:
        jinja2.UndefinedError: it needs something that was not given.
    """
    page, _, block = passage.partition(".")
    template = _templates().get_template(f"{page}.jinja")
    return re.sub(r"[ \n]+", " ", "".join(template.blocks[block](template.new_context(given)))).strip(" ")


@cache
def _templates() -> Environment:
    found = Environment(loader=PackageLoader(__package__, "prose"), undefined=StrictUndefined)
    found.filters |= {"number": number, "three": three, "percent": percent}
    return found


def slug(text: str) -> str:
    """Text as a part of a file's name."""
    return "".join(letter if letter.isalnum() else "-" for letter in text)


def left_out(result: Mapping[str, Any]) -> Sequence[str]:
    """A paragraph for each that was left out."""
    return [f"{one['variant']} was left out: {' '.join(one['reason'].split())}." for one in result["left_out"]]


def disturbed(result: Mapping[str, Any]) -> str:
    """A warning where something else was running; empty where nothing was."""
    busy, stolen = result["environment"]["busy_before"], result["environment"]["stolen"]
    if max(busy, stolen) <= _QUIET:
        return ""
    return prose("overview.disturbed", busy=busy, stolen=stolen)


def conditions(result: Mapping[str, Any]) -> Section:
    """The machine, the software and the command."""
    found = result["environment"]
    rows = (
        ("Command", found["command_line"]),
        ("Begun", found["created"]),
        ("CPU", f"{found['cpu']}, {found['cores']} cores; {', '.join(found['flags'])}"),
        ("Memory", f"{number(found['memory_gb'])} GB"),
        ("System", f"{found['system']}, Python {found['python']}"),
        ("Packages", ", ".join(f"{package['name']} {package['version']}" for package in found["packages"])),
        ("Commit", found["commit"] or "none (not run from a source tree)"),
        (
            "Others",
            f"{found['busy_before']:.0%} of the CPU just before, {found['stolen']:.1%} stolen by other machines; load "
            f"average {found['load_before']:.2f} before, {found['load_after']:.2f} after",
        ),
    )
    columns = Column("Condition", number=False), Column("Value", number=False)
    cells = tuple((Cell(name), Cell(value)) for name, value in rows)
    return Section(f"How it was measured: {result['command']}", (Table(columns, cells),))
