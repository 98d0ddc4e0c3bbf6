"""The document of `bench latency`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from matplotlib.axes import Axes

from emberline.bench.harness.measurements import HIGHER_IS_BETTER, UNITS, Measurements, Summary
from emberline.bench.harness.result import Result
from emberline.bench.harness.scenarios import LAG, OFFERED, UNANSWERED
from emberline.bench.latency.latency import SHARES, section
from emberline.bench.report.document import Block, Document, Picture, Section, Table
from emberline.bench.report.plots import INK, QUIET, bars, colour, legend_below, picture, row_picture
from emberline.bench.report.tables import Declared, numbers, table, words
from emberline.bench.report.wording import conditions, disturbed, left_out, number, prose, six, slug, span, times

#: The scenarios in plain words; MLPerf's names stand behind them.
_PLAIN: Final = {
    "SingleStream": "One text at a time",
    "MultiStream": "Eight texts at a time",
    "Offline": "All texts at once",
    "Server": "Requests that arrive by themselves",
}


def view(result: Result) -> Document:
    """What was measured, scenario by scenario."""
    measured = Measurements.of(result)
    sections = []
    for texts in (one["name"] for one in result["texts"]):
        suffix = f", {texts} texts" if len(result["texts"]) > 1 else ""
        for scenario in result["settings"]["scenarios"]:
            blocks: list[Block] = [prose(f"latency.{scenario}"), _table(result, measured, section(scenario, texts))]
            match scenario:
                case "SingleStream":
                    blocks.append(_latencies(result, measured, texts))
                case "Offline":
                    blocks.append(_throughputs(result, measured, texts))
                case "Server":
                    blocks += [_loads_table(measured, texts), _loads(result, measured, texts)]
            sections.append(Section(f"{_PLAIN[scenario]} ({scenario}){suffix}", tuple(blocks)))
    sections += [_participants(result), conditions(result)]
    if warning := disturbed(result):
        sections.insert(0, Section("Take care", (warning,)))
    return Document("Latency and throughput", prose("latency.lead", result=result), tuple(sections))


def _table(result: Result, measured: Measurements, place: str) -> Table:
    reference = result["reference"]
    bound = f"rate with p99 ≤ {number(result['settings']['bound_ms'])} ms"
    columns: list[Declared] = [words("Variant", str)]
    for metric in measured.metrics(place):
        best = max if metric in HIGHER_IS_BETTER else min
        title = bound if metric == "rate" else metric
        columns.append(numbers(title, _of(measured, place, metric), UNITS[metric], best=best))
    for metric in measured.metrics(place) if reference else ():
        if metric != "p90":
            columns.append(_ratios(measured, place, metric, reference))
    named = measured.variants(place)
    few = "" if all(measured.has_tail(place, name) for name in named) else prose("latency.few")
    return table(named, *columns, note=few)


def _of(measured: Measurements, place: str, metric: str) -> Any:
    def found(name: str) -> Summary | None:
        return measured.summary(place, name, metric) if _told(measured, place, metric, name) else None

    return found


def _told(measured: Measurements, place: str, metric: str, name: str) -> bool:
    """Whether a metric says what its name says."""
    return metric not in ("p90", "p99") or measured.has_tail(place, name)


def _ratios(measured: Measurements, place: str, metric: str, reference: str) -> Declared:
    def ratio(name: str) -> Summary | str | None:
        if not _told(measured, place, metric, name):
            return None
        return "1" if name == reference else measured.ratio(place, name, metric, reference)

    def detail(name: str) -> str:
        found = ratio(name)
        return span(found) if isinstance(found, Summary) else ""

    return numbers(f"{metric} ratio", ratio, f"to {reference}", write=times, detail=detail)


def _loads_table(measured: Measurements, texts: str) -> Table:
    places = {share: section("Server", texts, share) for share in SHARES}

    def at(share: float) -> Declared:
        def detail(name: str) -> str:
            p50, rate = (number(measured.median(places[share], name, metric)) for metric in ("p50", OFFERED))
            return f"p50 {p50} at {rate}/s"

        return numbers(
            f"p99 at {share:.0%} load", lambda name: measured.median(places[share], name, "p99"), "ms", detail=detail
        )

    def lost(name: str) -> str:
        return str(int(sum(sum(measured.values(place, name, UNANSWERED)) for place in places.values())))

    def lag(name: str) -> float:
        return max(measured.median(place, name, LAG) or 0.0 for place in places.values())

    return table(
        measured.variants(section("Server", texts, SHARES[0])),
        words("Variant", str),
        *map(at, places),
        numbers("lost", lost, "requests"),
        numbers("lag", lag, "p99, ms"),
        note=prose("latency.loads_note"),
    )


def _participants(result: Result) -> Section:
    shown = table(
        result["variants"],
        words("Variant", lambda one: one["name"]),
        numbers("encoder", lambda one: one["encoder_mb"], "MB"),
        numbers("memory", lambda one: one["memory_mb"], "MB, resident"),
        numbers("cosine, mean", lambda one: one["cosine_mean"], "to the reference", write=six),
        numbers("cosine, least", lambda one: one["cosine_minimum"], "to the reference", write=six),
        words("accuracy gate", lambda one: one["gate"]),
    )
    return Section("What took part", (shown, *left_out(result)))


def variant_colour(result: Result, name: str) -> str:
    """The colour of a variant, or of one that is measured under a second name."""
    chosen: Mapping[str, Any] | None = next((one for one in result["variants"] if name.startswith(one["name"])), None)
    return colour(chosen["engine"], chosen["precision"]) if chosen else INK


def _latencies(result: Result, measured: Measurements, texts: str) -> Picture:
    place = section("SingleStream", texts)
    names = measured.variants(place)

    def draw(axes: Axes, y: int, index: int) -> None:
        tint = variant_colour(result, names[index])
        p50, p90, p99 = (_finite(measured.median(place, names[index], metric)) for metric in ("p50", "p90", "p99"))
        axes.plot([p50, p99], [y, y], color=tint, linewidth=2, alpha=0.35, solid_capstyle="round")
        axes.plot([p50], [y], "o", color=tint, markersize=8)
        axes.plot([p90, p99], [y, y], "|", color=tint, markersize=11, markeredgewidth=2)
        axes.annotate(number(p50), (p50, y), (0, 9), textcoords="offset points", ha="center", fontsize=9, color=tint)

    return row_picture(
        f"latency-single-{slug(texts)}",
        prose("latency.single", texts=texts),
        names,
        draw,
        "ms: ● half are faster (p50)   ❘ 90 % (p90), 99 % (p99)",
        room=0.42,
    )


def _throughputs(result: Result, measured: Measurements, texts: str) -> Picture:
    place = section("Offline", texts)
    rows = []
    for name in measured.variants(place):
        values = measured.summary(place, name, "throughput")
        ratio = measured.ratio(place, name, "throughput", result["reference"])
        if values:
            note = number(values.median) + (f"  ({times(ratio.median)})" if ratio else "")
            rows.append((name, values, variant_colour(result, name), note))
    return bars(f"latency-offline-{slug(texts)}", prose("latency.throughputs", texts=texts), rows)


def _loads(result: Result, measured: Measurements, texts: str) -> Picture:
    places = [section("Server", texts, share) for share in SHARES]
    names = measured.variants(places[0])
    served = {one["name"] for one in result["variants"] if one["path"] != "process"}

    def draw(axes: Axes) -> None:
        for name in names:
            tint = variant_colour(result, name)
            dashes = (0, (4, 2)) if name in served else "-"
            rates, p50, p99 = (
                [_finite(measured.median(place, name, metric)) for place in places]
                for metric in (OFFERED, "p50", "p99")
            )
            axes.plot(rates, p99, linestyle=dashes, marker="o", color=tint, markersize=5, label=name)
            axes.plot(rates, p50, linestyle=dashes, marker="o", color=tint, markersize=3, alpha=0.45, linewidth=1)
        axes.axhline(result["settings"]["bound_ms"], color=QUIET, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        # Labels between powers of ten at 2 and 5 only.
        axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        axes.set_xlim(left=0)
        axes.set_xlabel("requests/s offered")
        axes.set_ylabel("ms")
        legend_below(axes)

    caption = prose("latency.loads", texts=texts)
    return picture(f"latency-load-{slug(texts)}", caption, 3.6 + 0.22 * ((len(names) + 1) // 2), draw)


def _finite(value: float | None) -> float:
    """A number to draw; what has none is left out of the plot."""
    return value if value is not None and math.isfinite(value) else math.nan
