"""The document of `bench latency`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Block, Cell, Column, Document, Picture, Section, Table
from emberline.bench.report.plots import INK, QUIET, colour, name_rows, picture

from .wording import best_of, conditions, disturbed, number, spread, times

_EXPLAINED: Final = {
    "SingleStream": "One request of one text at a time, on an otherwise idle machine.",
    "MultiStream": "One request of eight texts at a time; latencies are of the whole request.",
    "Offline": "All texts at once, in batches and in an order of the variant's own choice. “Arrival order” is PyTorch "
    "fed in batches of 32 as the texts come.",
    "Server": "Requests of one text arrive by themselves (Poisson), whether or not earlier ones have been answered; a "
    "latency counts from the moment at which the request was due.",
}


def view(result: Result) -> Document:
    """What was measured, scenario by scenario."""
    sections = []
    for texts in result["texts"]:
        suffix = f", {texts['name']} texts" if len(result["texts"]) > 1 else ""
        for scenario in result["settings"]["scenarios"]:
            blocks: list[Block] = [_EXPLAINED[scenario], _table(result, texts["name"], scenario)]
            match scenario:
                case "SingleStream":
                    blocks.append(_latencies(result, texts["name"]))
                case "Offline":
                    blocks.append(_throughputs(result, texts["name"]))
                case "Server":
                    blocks += [_loads_table(result, texts["name"]), _loads(result, texts["name"])]
            sections.append(Section(scenario + suffix, tuple(blocks)))
    sections += [_participants(result), conditions(result)]
    if warning := disturbed(result):
        sections.insert(0, Section("Take care", (warning,)))
    return Document("Latency and throughput", _lead(result), tuple(sections))


def find(result: Result, texts: str, scenario: str, variant: str, metric: str) -> Mapping[str, Any] | None:
    """One measurement, if it was made."""
    found: Sequence[Mapping[str, Any]] = result["measurements"]
    wanted = (texts, scenario, variant, metric)
    keys = ("texts", "scenario", "variant", "metric")
    return next((one for one in found if tuple(one[key] for key in keys) == wanted), None)


def variant_colour(result: Result, name: str) -> str:
    """The colour of a variant, or of one that is measured under a second name."""
    chosen = next((one for one in result["variants"] if name.startswith(one["name"])), None)
    return colour(chosen["engine"], chosen["precision"]) if chosen else INK


def _lead(result: Result) -> str:
    settings = result["settings"]
    texts = " and ".join(
        f"{one['count']} {one['name']} texts of {one['tokens_minimum']} to {one['tokens_maximum']} tokens "
        f"(mean {number(one['tokens_mean'])})"
        for one in result["texts"]
    )
    threads = result["variants"][0]["threads"]
    return (
        f"{texts}; each variant with {threads} {'thread' if threads == 1 else 'threads'}, taking turns, medians of "
        f"{settings['repetitions']} repetitions with their range. A ratio above 1 is better than "
        f"{result['reference'] or 'the reference, which was not measured'}."
    )


def _table(result: Result, texts: str, scenario: str) -> Table:
    found = [one for one in result["measurements"] if (one["texts"], one["scenario"]) == (texts, scenario)]
    metrics = list(dict.fromkeys(one["metric"] for one in found))
    variants = list(dict.fromkeys(one["variant"] for one in found))
    units = {one["metric"]: one["unit"] for one in found}
    by_place = {(one["variant"], one["metric"]): one for one in found}
    compared = result["reference"] is not None
    columns = [Column("Variant", number=False)]
    best = {}
    for metric in metrics:
        columns.append(Column(_title(metric, result), units[metric]))
        measured = [by_place[variant, metric] for variant in variants]
        best[metric] = best_of([one["values"]["median"] for one in measured], measured[0]["higher_is_better"])
    if compared:
        columns += [Column(f"{metric} ratio", f"to {result['reference']}") for metric in metrics if metric != "p90"]
    rows = []
    for variant in variants:
        row = [Cell(variant)]
        for metric in metrics:
            values = by_place[variant, metric]["values"]
            row.append(spread(values, values["median"] is not None and values["median"] == best[metric]))
        if compared:
            for metric in metrics:
                if metric != "p90":
                    ratio = by_place[variant, metric]["ratio"]
                    row.append(_ratio(ratio) if variant != result["reference"] else Cell("1"))
        rows.append(tuple(row))
    return Table(tuple(columns), tuple(rows))


def _title(metric: str, result: Result) -> str:
    if metric == "rate":
        return f"rate with p99 ≤ {number(result['settings']['bound_ms'])} ms"
    return metric


def _ratio(ratio: Mapping[str, Any] | None) -> Cell:
    if ratio is None:
        return Cell("–")
    low, high = number(ratio["minimum"]), number(ratio["maximum"])
    return Cell(times(ratio["median"]), f"{low}–{high}" if low != high else "")


def _loads_table(result: Result, texts: str) -> Table:
    points = [one for one in result["loads"] if one["texts"] == texts]
    shares = sorted({one["share"] for one in points})
    by_place = {(one["variant"], one["share"]): one for one in points}
    columns = (
        Column("Variant", number=False),
        *(Column(f"p99 at {share:.0%} load", "ms") for share in shares),
        Column("lost", "requests"),
        Column("lag", "p99, ms"),
    )
    rows = []
    for variant in dict.fromkeys(one["variant"] for one in points):
        found = [by_place[variant, share] for share in shares]
        rows.append(
            (
                Cell(variant),
                *(
                    Cell(
                        number(one["p99"]["median"]),
                        f"p50 {number(one['p50']['median'])} at {number(one['rate'])}/s",
                    )
                    for one in found
                ),
                Cell(str(sum(one["unanswered"] for one in found))),
                Cell(number(max(one["lag_p99"]["median"] for one in found))),
            )
        )
    return Table(
        columns,
        tuple(rows),
        "The load is a share of what the same variant answers at most. The lag is how late the generator itself sent "
        "requests; the latencies contain it.",
    )


def _participants(result: Result) -> Section:
    columns = (
        Column("Variant", number=False),
        Column("encoder", "MB"),
        Column("memory", "MB, resident"),
        Column("cosine, mean", "to the reference"),
        Column("cosine, least", "to the reference"),
        Column("accuracy gate", number=False),
    )
    rows = tuple(
        (
            Cell(one["name"]),
            Cell(number(one["encoder_mb"])),
            Cell(number(one["memory_mb"])),
            Cell("–" if one["cosine_mean"] is None else f"{one['cosine_mean']:.6f}"),
            Cell("–" if one["cosine_minimum"] is None else f"{one['cosine_minimum']:.6f}"),
            Cell(one["gate"]),
        )
        for one in result["variants"]
    )
    blocks: list[Block] = [Table(columns, rows)]
    blocks += [f"{one['variant']} was left out: {one['reason']}." for one in result["left_out"]]
    return Section("What took part", tuple(blocks))


def _slug(texts: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in texts)


def _latencies(result: Result, texts: str) -> Picture:
    names = [one["name"] for one in result["variants"]]

    def draw(axes: Axes) -> None:
        for place, name in enumerate(reversed(names)):
            p50, p90, p99 = (
                _median(find(result, texts, "SingleStream", name, metric)) for metric in ("p50", "p90", "p99")
            )
            tint = variant_colour(result, name)
            axes.plot([p50, p99], [place, place], color=tint, linewidth=2, alpha=0.35, solid_capstyle="round")
            axes.plot([p50], [place], "o", color=tint, markersize=8)
            axes.plot([p90], [place], "|", color=tint, markersize=11, markeredgewidth=2)
            axes.plot([p99], [place], "|", color=tint, markersize=11, markeredgewidth=2)
            axes.annotate(
                f"{number(p50)}", (p50, place), (0, 9), textcoords="offset points", ha="center", fontsize=9, color=tint
            )
        name_rows(axes, names)
        axes.set_xlim(left=0)
        axes.set_xlabel("ms a request: ● p50   ❘ p90, p99")

    caption = f"Latency of one request, {texts} texts: p50, p90 and p99, medians over the repetitions. Less is better."
    return picture(f"latency-single-{_slug(texts)}", caption, 0.8 + 0.42 * len(names), draw)


def _throughputs(result: Result, texts: str) -> Picture:
    found = [one for one in result["measurements"] if (one["texts"], one["scenario"]) == (texts, "Offline")]

    def draw(axes: Axes) -> None:
        for place, one in enumerate(reversed(found)):
            values = one["values"]
            tint = variant_colour(result, one["variant"])
            axes.barh(place, values["median"], height=0.62, color=tint, alpha=0.9)
            axes.plot([values["minimum"], values["maximum"]], [place, place], color=INK, linewidth=1.4)
            ratio = one["ratio"]
            label = f"{number(values['median'])}" + (f"  ({times(ratio['median'])})" if ratio else "")
            axes.annotate(
                label, (values["maximum"], place), (6, 0), textcoords="offset points", va="center", fontsize=9
            )
        name_rows(axes, [one["variant"] for one in found])
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.22)
        axes.set_xlim(left=0)
        axes.set_xlabel("texts/s")

    caption = f"Throughput, {texts} texts, all at once; the line is the range of the repetitions. More is better."
    return picture(f"latency-offline-{_slug(texts)}", caption, 0.8 + 0.42 * len(found), draw)


def _loads(result: Result, texts: str) -> Picture:
    points: dict[str, list[Mapping[str, Any]]] = {}
    for one in result["loads"]:
        if one["texts"] == texts:
            points.setdefault(one["variant"], []).append(one)
    grpc = {one["name"] for one in result["variants"] if one["path"] == "grpc"}

    def draw(axes: Axes) -> None:
        for name, found in points.items():
            tint = variant_colour(result, name)
            ordered = sorted(found, key=lambda one: float(one["rate"]))
            rates = [one["rate"] for one in ordered]
            dashes = (0, (4, 2)) if name in grpc else "-"
            p99 = [_finite(one["p99"]["median"]) for one in ordered]
            p50 = [_finite(one["p50"]["median"]) for one in ordered]
            axes.plot(rates, p99, linestyle=dashes, marker="o", color=tint, markersize=5, label=name)
            axes.plot(rates, p50, linestyle=dashes, marker="o", color=tint, markersize=3, alpha=0.45, linewidth=1)
        axes.axhline(result["settings"]["bound_ms"], color=QUIET, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_plain)
        axes.yaxis.set_minor_formatter(_sparse)
        axes.set_xlim(left=0)
        axes.set_xlabel("requests/s offered")
        axes.set_ylabel("ms")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)

    caption = (
        f"Latency under load, {texts} texts, at 50, 70 and 90 % of each variant's own saturation: p99 strong, p50 "
        "faint; dashed through gRPC; dotted the bound on p99. Further right and lower is better."
    )
    return picture(f"latency-load-{_slug(texts)}", caption, 3.6 + 0.22 * ((len(points) + 1) // 2), draw)


def _plain(value: float, _: object) -> str:
    return f"{value:g}"


def _sparse(value: float, _: object) -> str:
    """Labels between powers of ten at 2 and 5 only."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _median(measurement: Mapping[str, Any] | None) -> float:
    return _finite(measurement["values"]["median"] if measurement else None)


def _finite(value: float | None) -> float:
    """A number to draw; what has none is left out of the plot."""
    return float("nan") if value is None else float(value)
