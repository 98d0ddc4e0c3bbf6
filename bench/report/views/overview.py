"""The first page of a report: what every variant costs and what it keeps, in one table and one plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes

from emberline.bench.harness.measurements import Measurements
from emberline.bench.harness.result import Result
from emberline.bench.harness.texts import MIXED
from emberline.bench.latency.latency import section
from emberline.bench.report.document import Block, Picture, Section, Table
from emberline.bench.report.plots import QUIET, Point, colour, numbered, picture
from emberline.bench.report.tables import Declared, numbers, table, words
from emberline.bench.report.wording import four, prose, times

from .pareto import ParetoRow, Timed, front, pareto_rows

_MARKERS: Final = {"latency": "o", "peers": "s"}


def overview(results: Mapping[str, Result]) -> Section | None:
    """Size, latency, throughput and quality of every variant; None if there is neither a time nor an agreement."""
    rows = pareto_rows(results)
    if not rows:
        return None
    chosen = front(rows)
    blocks: list[Block] = [_table(results, rows, chosen)]
    if chosen:
        blocks.append(_plot(results, rows, chosen))
    return Section("What each variant costs and keeps", tuple(blocks))


def headline(latency: Result, recall: Result | None) -> str:
    """What the fastest variant gains and keeps, in a sentence."""
    measured, place = Measurements.of(latency), section("SingleStream", latency["texts"][0]["name"])
    medians = {name: measured.median(place, name, "p50") for name in measured.variants(place)}
    if not medians:
        return ""
    name = min(medians, key=lambda variant: medians[variant] or 0.0)
    reference = latency["reference"]
    ratio = measured.ratio(place, name, "p50", reference) if name != reference else None
    kept = _kept(latency, recall, name)
    return prose("overview.headline", name=name, median=medians[name], ratio=ratio, reference=reference, kept=kept)


def _kept(latency: Result, recall: Result | None, name: str) -> float | None:
    found: Sequence[Mapping[str, Any]] = recall["vectors"] if recall and name != latency["reference"] else ()
    precision = next(one["precision"] for one in latency["variants"] if one["name"] == name)
    return next((float(one["agreement_at_10"]) for one in found if one["precision"] == precision), None)


def _table(results: Mapping[str, Result], rows: Sequence[ParetoRow], chosen: Sequence[ParetoRow]) -> Table:
    def timed(title: str, unit: str, find: Callable[[ParetoRow], Timed | None]) -> Declared:
        def ratio(row: ParetoRow) -> str:
            found = find(row)
            itself = row.name == results[row.run]["reference"]
            return times(found.ratio.median) if found and found.ratio and not itself else ""

        def median(row: ParetoRow) -> float | None:
            found = find(row)
            return found.values.median if found else None

        return numbers(title, median, unit, detail=ratio)

    return table(
        rows,
        words("Variant", lambda row: row.name),
        words("run", lambda row: row.run),
        numbers("encoder", lambda row: row.encoder_mb, "MB"),
        timed("p50", "ms", lambda row: row.p50),
        timed("p99", "ms", lambda row: row.p99),
        timed("throughput", "texts/s", lambda row: row.throughput),
        numbers("agreement@10", lambda row: row.agreement, write=four),
        numbers("NDCG@10", lambda row: row.item_cold, "item cold", write=four),
        numbers("NDCG@10", lambda row: row.user_cold, "user cold", write=four),
        words("Pareto front", lambda row: "yes" if row in chosen else ""),
        note=_note(results, rows),
    )


def _note(results: Mapping[str, Result], rows: Sequence[ParetoRow]) -> str:
    runs = list(dict.fromkeys(row.run for row in rows))
    texts = {run: MIXED if run == "peers" else results[run]["texts"][0]["name"] for run in runs if run != "recall"}
    timed = [(run, _begun(results[run]), name, results[run]["reference"]) for run, name in texts.items()]
    return prose("overview.note", runs=timed, peers="peers" in runs, several=len(runs) > 1)


def _begun(result: Result) -> str:
    return str(result["environment"]["created"][:16].replace("T", " "))


def _plot(results: Mapping[str, Result], rows: Sequence[ParetoRow], chosen: Sequence[ParetoRow]) -> Picture:
    placed = [(row, row.ratio, row.agreement) for row in rows]
    points = []
    for row, ratio, agreed in placed:
        if ratio is not None and agreed:
            tint = colour(row.engine, row.precision)
            points.append((row, Point(ratio, 100 * agreed, tint, _MARKERS[row.run], row in chosen, row.name)))

    def draw(axes: Axes) -> None:
        for run in _MARKERS:
            best = sorted((point.x, point.y) for row, point in points if row.run == run and row in chosen)
            if best:
                axes.plot(*zip(*best, strict=True), color=QUIET, linewidth=1, linestyle="--" if run == "peers" else "-")
        numbered(axes, [point for _, point in points])
        axes.set_xlabel("texts a second, compared with PyTorch in the same run")

    named = "; ".join(f"{place} {row.name}, {row.run}" for place, (row, _) in enumerate(points, 1))
    runs = dict.fromkeys(row.run for row, _ in points)
    compared = "; ".join(f"run {run}: {results[run]['reference']}" for run in runs)
    return picture("overview", prose("overview.plot", compared=compared, named=named), 3.8, draw)
