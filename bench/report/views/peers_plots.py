"""The plots of `bench peers`, and the rows that they share with its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from matplotlib.axes import Axes

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Picture
from emberline.bench.report.plots import COLOURS, INK, colour, name_rows, picture

from .latency import find
from .wording import number

#: The text set by which variants are compared.
MIXED: Final = "mixed"
#: Points nearer than this share of the fastest one's throughput have their numbers above each other.
_NEAR: Final = 0.05


def variant_rows(result: Result) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows of the one table with their variants: each one, and behind it the same with another batch size."""
    found = []
    for one in result["variants"]:
        found.append((one["name"], one))
        if one["batch"] is not None:
            found.append((f"{one['name']}, batches of {one['batch']}", one))
    return found


def _tint(record: Mapping[str, Any]) -> str:
    """Emberline's precisions have their colours; peers stand back."""
    return colour("emberline", record["precision"]) if record["engine"] == "emberline" else COLOURS["baseline"]


def throughputs(result: Result) -> Picture:
    """Every row's throughput on the mixed texts, the fastest first."""
    found = [
        (row, record, one)
        for row, record in variant_rows(result)
        if (one := find(result, MIXED, "Offline", row, "throughput"))
    ]
    found.sort(key=lambda entry: -entry[2]["values"]["median"])

    def draw(axes: Axes) -> None:
        for place, (_, record, one) in enumerate(reversed(found)):
            values = one["values"]
            axes.barh(place, values["median"], height=0.62, color=_tint(record), alpha=0.9)
            axes.plot([values["minimum"], values["maximum"]], [place, place], color=INK, linewidth=1.4)
            axes.annotate(
                number(values["median"]),
                (values["maximum"], place),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        name_rows(axes, [row for row, _, _ in found])
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.15)
        axes.set_xlim(left=0)
        axes.set_xlabel("texts/s")

    caption = "Throughput, mixed texts, all at once; the line is the range of the repetitions. More is better."
    return picture("peers-offline", caption, 0.9 + 0.32 * len(found), draw)


def against_agreement(result: Result) -> Picture:
    """Each variant's throughput on the mixed texts and its agreement@10."""
    points = sorted(_fastest(result), key=lambda point: -point[1])

    def draw(axes: Axes) -> None:
        level = 0
        for place, (record, speed) in enumerate(points):
            height = 100 * record["agreement_at_10"]
            axes.plot([speed], [height], "o", color=_tint(record), markersize=8)
            # The number of a point beside another one stands above that one's.
            near = place and points[place - 1][1] - speed < _NEAR * points[0][1]
            level = level + 1 if near else 0
            axes.annotate(
                str(place + 1), (speed, height), (0, 6 + 9 * level), textcoords="offset points", ha="center", fontsize=8
            )
        axes.margins(x=0.08, y=0.25)
        axes.set_xlim(left=0)
        axes.set_xlabel("texts/s, mixed texts")
        axes.set_ylabel("agreement@10, %")

    named = "; ".join(f"{place + 1} {record['name']}" for place, (record, _) in enumerate(points))
    caption = (
        "Throughput, each in its fastest batch size, against agreement; Emberline has colours. Further right and "
        f"higher is better. {named}."
    )
    return picture("peers-agreement", caption, 3.8, draw)


def _fastest(result: Result) -> list[tuple[Mapping[str, Any], float]]:
    """Each variant with its throughput on mixed texts, in its fastest batch size."""
    fastest: dict[str, tuple[Mapping[str, Any], float]] = {}
    for row, record in variant_rows(result):
        found = find(result, MIXED, "Offline", row, "throughput")
        if found:
            speed = found["values"]["median"]
            known = fastest.get(record["name"], (record, 0.0))[1]
            fastest[record["name"]] = (record, max(known, speed))
    return list(fastest.values())
