"""The first page of a report: what every variant costs and what it keeps, in one table and one plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Block, Cell, Column, Picture, Section, Table
from emberline.bench.report.plots import COLOURS, QUIET, colour, picture

from .latency import find
from .pareto import Measured, Row, front, pareto_rows
from .peers_plots import MIXED
from .wording import fraction, number, times

_MARKERS: Final = {"latency": "o", "peers": "s"}


def overview(results: Mapping[str, Result]) -> Section | None:
    """Size, latency, throughput and quality of every variant; None if there is neither a time nor an agreement.

    Args:
        results: by command; those that there are.
    """
    rows = pareto_rows(results)
    if not rows:
        return None
    chosen = front(rows)
    blocks: list[Block] = [_table(results, rows, chosen)]
    if len(chosen) > 0:
        blocks.append(_plot(results, rows, chosen))
    return Section("What each variant costs and keeps", tuple(blocks))


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
    kept = _kept(latency, recall, name)
    return f"{said}, and keeps {kept:.1%} of its top 10." if kept is not None else f"{said}."


def _kept(latency: Result, recall: Result | None, name: str) -> float | None:
    found: Sequence[Mapping[str, Any]] = recall["vectors"] if recall and name != latency["reference"] else ()
    precision = next(one["precision"] for one in latency["variants"] if one["name"] == name)
    return next((float(one["agreement_at_10"]) for one in found if one["precision"] == precision), None)


def _table(results: Mapping[str, Result], rows: Sequence[Row], chosen: Sequence[Row]) -> Table:
    lines = []
    for row in rows:
        reference = row.name == results[row.run]["reference"]
        cells = [_measured(one, reference) for one in (row.p50, row.p99, row.throughput)]
        quality = [Cell(fraction(value)) for value in (row.agreement, row.item_cold, row.user_cold)]
        begun = results[row.run]["environment"]["created"][:16].replace("T", " ")
        where = Cell("yes" if row in chosen else "")
        lines.append((Cell(row.name), Cell(row.run, begun), Cell(number(row.encoder_mb)), *cells, *quality, where))
    columns = (
        Column("Variant", number=False),
        Column("run", number=False),
        Column("encoder", "MB"),
        Column("p50", "ms"),
        Column("p99", "ms"),
        Column("throughput", "texts/s"),
        Column("agreement@10"),
        Column("NDCG@10", "item cold"),
        Column("NDCG@10", "user cold"),
        Column("Pareto front", number=False),
    )
    return Table(columns, tuple(lines), " ".join(_note(results, rows)))


def _measured(measured: Measured, reference: bool) -> Cell:
    if measured is None:
        return Cell("–")
    ratio = measured["ratio"]
    return Cell(number(measured["values"]["median"]), times(ratio["median"]) if ratio and not reference else "")


def _note(results: Mapping[str, Result], rows: Sequence[Row]) -> Iterator[str]:
    runs = list(dict.fromkeys(row.run for row in rows))
    yield "p50 and p99 are of one request of one text, throughput is with all texts at once; a dash: not measured."
    for run in runs:
        if run != "recall":
            result = results[run]
            texts = MIXED if run == "peers" else result["texts"][0]["name"]
            compared = f"; small: how many times better than {result['reference']}" if result["reference"] else ""
            yield f"Run {run}: {texts} texts{compared}."
    if "peers" in runs:
        yield (
            "A peer's throughput is in its fastest batch size, and its agreement@10 is among all items of the "
            "catalogue, by encoders' vectors; in run latency it is among unseen items, and from `bench recall`. "
            "NDCG@10 of run peers is by each one's own vectors, through the bundle's towers."
        )
    if len(runs) > 1:
        yield "Different runs, at different times: compare rows of one run, never a row of one with a row of another."
    yield "On the front is what no other variant of the same run equals or beats in both throughput and agreement."


def _plot(results: Mapping[str, Result], rows: Sequence[Row], chosen: Sequence[Row]) -> Picture:
    points = [(row, row.ratio, 100 * row.agreement) for row in rows if row.ratio is not None and row.agreement]
    numbers = {id(row): place + 1 for place, (row, _, _) in enumerate(points)}

    def draw(axes: Axes) -> None:
        for run, marker in _MARKERS.items():
            mine = [point for point in points if point[0].run == run]
            if not mine:
                continue
            best = sorted((speed, height) for row, speed, height in mine if row in chosen)
            axes.plot(*zip(*best, strict=True), color=QUIET, linewidth=1, linestyle="--" if run == "peers" else "-")
            for row, speed, height in mine:
                tint = _tint(row)
                face = tint if row in chosen else "white"
                axes.plot([speed], [height], marker, color=tint, markerfacecolor=face, markersize=8)
                axes.annotate(
                    str(numbers[id(row)]),
                    (speed, height),
                    (0, 6 + 9 * _crowd(points, row)),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                )
        axes.margins(x=0.08, y=0.25)
        axes.set_xlim(left=0)
        axes.set_xlabel("throughput, times PyTorch's of the same run")
        axes.set_ylabel("agreement@10, %")

    named = "; ".join(f"{numbers[id(row)]} {row.name}, {row.run}" for row, _, _ in points)
    compared = "; ".join(
        f"run {run}: {results[run]['reference']}" for run in dict.fromkeys(row.run for row, _, _ in points)
    )
    caption = (
        f"Throughput, as a ratio to PyTorch in the same run ({compared}), against agreement. Filled, with a line: the "
        "Pareto front of each run; circles: run latency, squares: run peers, which are not to be compared with each "
        f"other. Further right and higher is better. {named}."
    )
    return picture("overview", caption, 3.8, draw)


def _crowd(points: Sequence[tuple[Row, float, float]], row: Row) -> int:
    """How many points with a lower number stand nearly where this one does."""
    place = next(point for point in points if point[0] is row)
    widest = max(speed for _, speed, _ in points)
    before = points[: points.index(place)]
    return sum(abs(speed - place[1]) < 0.04 * widest and abs(height - place[2]) < 1 for _, speed, height in before)


def _tint(row: Row) -> str:
    """Emberline's precisions and PyTorch have their colours; peers stand back."""
    return colour(row.engine, row.precision) if row.engine in ("emberline", "pytorch") else COLOURS["baseline"]
