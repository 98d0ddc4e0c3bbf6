"""The first page of a report: what each precision costs and what it keeps, in one table and one plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from emberline.bench.document import Block, Cell, Column, Picture, Section, Table
from emberline.bench.plots import picture
from emberline.bench.result import Result

from .latency import find, variant_colour
from .wording import best_of, fraction, number, times


def overview(latency: Result, recall: Result | None) -> Section:
    """Latency, throughput, size and, where it was measured, recall of every variant.

    Args:
        latency: of `bench latency`.
        recall: of `bench recall`; None: not measured.
    """
    texts = latency["texts"][0]["name"]
    blocks: list[Block] = [_table(latency, recall, texts)]
    if recall is not None and _points(latency, recall, texts):
        blocks.append(_plot(latency, recall, texts))
    return Section("Latency and recall", tuple(blocks))


def headline(latency: Result, recall: Result | None) -> str:
    """What the fastest variant gains and keeps, in a sentence."""
    texts = latency["texts"][0]["name"]
    single = {one["name"]: find(latency, texts, "SingleStream", one["name"], "p50") for one in latency["variants"]}
    measured = {name: one for name, one in single.items() if one and one["values"]["median"] is not None}
    if not measured:
        return ""
    name = min(measured, key=lambda variant: float(measured[variant]["values"]["median"]))
    fastest = measured[name]
    said = f"{name} answers a request of one text in {number(fastest['values']['median'])} ms at the median"
    ratio = fastest["ratio"]
    if ratio and name != latency["reference"]:
        said += f", {number(ratio['median'])} times as fast as {latency['reference']}"
    kept = _recall_of(recall, _precision(latency, name))
    return f"{said}, and keeps {kept['agreement_at_10']:.1%} of its top 10." if kept else f"{said}."


def _table(latency: Result, recall: Result | None, texts: str) -> Table:
    reference = latency["reference"]
    rows = []
    found = {
        one["name"]: (
            find(latency, texts, "SingleStream", one["name"], "p50"),
            find(latency, texts, "SingleStream", one["name"], "p99"),
            find(latency, texts, "Offline", one["name"], "throughput"),
        )
        for one in latency["variants"]
    }
    best = [
        best_of([one["values"]["median"] for one in column if one], place == 2)
        for place, column in enumerate(zip(*found.values(), strict=True))
    ]
    for one in latency["variants"]:
        measured = found[one["name"]]
        cells = [_cell(value, best[place], one["name"] == reference) for place, value in enumerate(measured)]
        row = [Cell(one["name"]), Cell(number(one["encoder_mb"])), *cells]
        kept = _recall_of(recall, "reference" if one["name"] == reference else one["precision"])
        if recall is not None:
            ranking = _ranking_of(recall, one["name"] == reference, one["precision"])
            agreement = 1.0 if one["name"] == reference else (kept or {}).get("agreement_at_10")
            row += [Cell(fraction(agreement)), Cell(fraction(ranking))]
        rows.append(tuple(row))
    columns = [
        Column("Variant", number=False),
        Column("encoder", "MB"),
        Column("p50", "ms"),
        Column("p99", "ms"),
        Column("throughput", "texts/s"),
    ]
    if recall is not None:
        columns += [Column("agreement@10", "of vectors"), Column("NDCG@10", recall["scenarios"][0]["name"])]
    note = f"{texts} texts: p50 and p99 of one request of one text; throughput with all texts at once."
    if reference:
        note += f" Small: how many times better than {reference}."
    return Table(tuple(columns), tuple(rows), note[0].upper() + note[1:])


def _cell(measured: Mapping[str, Any] | None, best: float | None, reference: bool) -> Cell:
    if measured is None:
        return Cell("–")
    median = measured["values"]["median"]
    ratio = measured["ratio"]
    detail = times(ratio["median"]) if ratio and not reference else ""
    return Cell(number(median), detail, median is not None and median == best)


def _plot(latency: Result, recall: Result, texts: str) -> Picture:
    points = _points(latency, recall, texts)

    def draw(axes: Axes) -> None:
        for name, values, agreement, grpc in points:
            tint = variant_colour(latency, name)
            height = 100 * agreement
            axes.plot([values["minimum"], values["maximum"]], [height, height], color=tint, linewidth=1.5, alpha=0.5)
            face = "white" if grpc else tint
            axes.plot([values["median"]], [height], "o", color=tint, markerfacecolor=face, markersize=9, label=name)
        axes.set_xlabel("p50 of one request, ms")
        axes.set_ylabel("agreement@10, %")
        axes.set_xlim(left=0)
        low = min(100 * agreement for _, _, agreement, _ in points)
        margin = max(0.5, 0.12 * (100 - low))
        axes.set_ylim(low - margin, 100 + margin)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)

    caption = (
        f"Latency against recall, {texts} texts: agreement@10 with {recall['reference']}'s vectors. Hollow: through "
        "gRPC. Further left and higher is better."
    )
    return picture("overview", caption, 3.4 + 0.22 * ((len(points) + 1) // 2), draw)


def _points(latency: Result, recall: Result, texts: str) -> list[tuple[str, Mapping[str, Any], float, bool]]:
    """Of each variant with both: its name, its p50 over the repetitions, its agreement@10, whether through gRPC."""
    points = []
    for one in latency["variants"]:
        measured = find(latency, texts, "SingleStream", one["name"], "p50")
        kept = _recall_of(recall, one["precision"])
        if one["name"] == latency["reference"]:
            kept = {"agreement_at_10": 1.0}
        if measured and kept:
            points.append((one["name"], measured["values"], float(kept["agreement_at_10"]), one["path"] == "grpc"))
    return points


def _precision(latency: Result, name: str) -> str:
    chosen = next(one for one in latency["variants"] if one["name"] == name)
    return "reference" if name == latency["reference"] else str(chosen["precision"])


def _recall_of(recall: Result | None, precision: str) -> Mapping[str, Any] | None:
    found: list[Mapping[str, Any]] = recall["vectors"] if recall else []
    return next((one for one in found if one["precision"] == precision), None)


def _ranking_of(recall: Result, reference: bool, precision: str) -> float | None:
    """NDCG@10 in the first scenario."""
    scenario = recall["scenarios"][0]["name"]
    kind = "reference" if reference else "precision"
    for one in recall["rankings"]:
        if one["scenario"] == scenario and one["kind"] == kind and (reference or one["precision"] == precision):
            return float(one["ndcg_at_10"])
    return None
