"""The plots of `bench peers`, and the rows that they share with its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from emberline.bench.harness.measurements import Measurements
from emberline.bench.harness.result import Result
from emberline.bench.harness.texts import MIXED
from emberline.bench.peers.places import bulk, row_of
from emberline.bench.report.document import Picture
from emberline.bench.report.plots import Point, bars, colour, numbered, picture
from emberline.bench.report.wording import number


def variant_rows(result: Result) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows of the one table with their variants: each one, and behind it the same with another batch size."""
    found = []
    for one in result["variants"]:
        found.append((one["name"], one))
        if one["batch"] is not None:
            found.append((row_of(one["name"], one["batch"]), one))
    return found


def throughputs(result: Result, measured: Measurements) -> Picture:
    """Every row's throughput on the mixed texts, the fastest first."""
    rows = []
    for name, record in variant_rows(result):
        values = measured.summary(bulk(MIXED), name, "throughput")
        if values:
            rows.append((name, values, colour(record["engine"], record["precision"]), number(values.median)))
    rows.sort(key=lambda row: -row[1].median)
    caption = "Throughput, mixed texts, all at once; the line is the range of the repetitions. More is better."
    return bars("peers-offline", caption, rows, room=0.32, margin=0.15)


def against_agreement(result: Result, measured: Measurements) -> Picture:
    """Each variant's throughput on the mixed texts, in its fastest batch size, and its agreement@10."""
    fastest: dict[str, tuple[Mapping[str, Any], float]] = {}
    for row, record in variant_rows(result):
        speed = measured.median(bulk(MIXED), row, "throughput")
        if speed is not None:
            name = record["name"]
            fastest[name] = record, max(speed, fastest[name][1] if name in fastest else 0.0)
    points = sorted(fastest.values(), key=lambda point: -point[1])

    def draw(axes: Axes) -> None:
        tints = [colour(record["engine"], record["precision"]) for record, _ in points]
        placed = [(speed, 100 * record["agreement_at_10"]) for record, speed in points]
        numbered(axes, [Point(*place, tint) for place, tint in zip(placed, tints, strict=True)])
        axes.set_xlabel("texts/s, mixed texts")

    named = "; ".join(f"{place} {record['name']}" for place, (record, _) in enumerate(points, 1))
    caption = (
        "Throughput, each in its fastest batch size, against agreement; Emberline has colours. Further right and "
        f"higher is better. {named}."
    )
    return picture("peers-agreement", caption, 3.8, draw)
