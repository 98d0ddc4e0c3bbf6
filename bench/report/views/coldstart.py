"""The document of `bench coldstart`: rankings, scenario by scenario."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes

from emberline.bench.harness.measurements import Measurements
from emberline.bench.harness.result import Result
from emberline.bench.report.document import Block, Cell, Document, Picture, Section, Table
from emberline.bench.report.plots import colour, legend_below, picture, row_picture
from emberline.bench.report.tables import bounds, numbers, table, words
from emberline.bench.report.wording import conditions, left_out, prose, three

from .coldstart_tasks import NO_PROFILE, ablations, attributes, bad_data, behaviour, facts, groups, over_seeds, weights
from .standing import standing

#: Ranking measures with their titles; of the first five, more is better.
_MEASURES: Final[Mapping[str, str]] = {
    "ndcg@10": "NDCG@10",
    "ndcg@20": "NDCG@20",
    "recall@10": "Recall@10",
    "recall@20": "Recall@20",
    "mrr": "MRR",
    "coverage@10": "coverage@10",
    "gini@10": "exposure Gini@10",
    "new_places@10": "new items' share of the 10 places",
    "new_likes": "of the likes",
}
_UNJUDGED: Final = ("coverage@10", "gini@10", "new_places@10", "new_likes")
_KNOWN: Final = re.compile(r"user cold, (\d+) known")
#: Baselines that are drawn, beside the best of each scenario: all of them would be a tangle.
_DRAWN: Final = ("popularity", "popularity in the user's group", "ALS", "EASE", "LightFM")


def view(result: Result) -> Document:
    """Bounds first, then the overview, then every scenario, task and trial."""
    measured = Measurements.of(result)
    sections = [standing(result["standing"])] if result["standing"] else []
    sections += [bounds(result, write=three)] if result["bounds"] else []
    sections += [_overview(result, measured), *(_scenario(result, measured, one) for one in result["scenarios"])]
    for tasks in (weights, groups, attributes, behaviour, facts, bad_data, ablations):
        sections += tasks(result, measured)
    sections.append(_cost(result, measured))
    if result["left_out"]:
        sections.append(Section("What was left out", tuple(left_out(result))))
    return Document("Cold start", prose("coldstart.lead", settings=result["settings"]), (*sections, conditions(result)))


def _overview(result: Result, measured: Measurements) -> Section:
    """NDCG@10 of every method in every scenario; those without profiles in a table of their own."""
    without = [one for one in result["scenarios"] if one["name"].endswith(NO_PROFILE)]
    blocks: list[Block] = [
        _ndcg(
            result, measured, [one for one in result["scenarios"] if one not in without], prose("coldstart.overview")
        ),
        *([_ndcg(result, measured, without, "")] if without else []),
        *_against_known(result, measured),
        *_cold_against_warm(result, measured),
    ]
    return Section("Overview", tuple(blocks))


def _ndcg(result: Result, measured: Measurements, scenarios: Sequence[Mapping[str, Any]], note: str) -> Table:
    def fewer(scenario: Mapping[str, Any]) -> Any:
        def detail(method: str) -> str:
            count, seeds = len(measured.values(scenario["name"], method, "ndcg@10")), len(scenario["seeds"])
            return f"{count} of {seeds} seeds" if 0 < count < seeds else ""

        return detail

    columns = [
        numbers(one["name"], _mean(measured, one["name"], "ndcg@10"), write=three, detail=fewer(one), best=max)
        for one in scenarios
    ]
    methods = [one["method"] for one in result["methods"]]
    return table(methods, words("NDCG@10", str), *columns, note=note)


def _mean(measured: Measurements, section: str, metric: str) -> Any:
    return lambda method: measured.mean(section, method, metric)


def _scenario(result: Result, measured: Measurements, scenario: Mapping[str, Any]) -> Section:
    name = scenario["name"]
    columns = [
        numbers(
            title,
            _mean(measured, name, metric),
            write=three,
            detail=over_seeds(measured, name, metric) if metric == "ndcg@10" else None,
            best=None if metric in _UNJUDGED else max,
        )
        for metric, title in _MEASURES.items()
        if metric in measured.metrics(name)
    ]
    shown = table(
        measured.variants(name), words("Method", str), *columns, note="NDCG@10 with its range over the seeds."
    )
    blocks: list[Block] = [prose("coldstart.scenario", scenario=scenario), shown]
    compared = [one for one in result["comparisons"] if one["scenario"] == name]
    if compared:
        blocks.append(_comparisons(compared))
    return Section(name[0].upper() + name[1:], tuple(blocks))


def _comparisons(compared: Sequence[Mapping[str, Any]]) -> Table:
    def interval(one: Mapping[str, Any]) -> str | None:
        high = "∞" if one["high"] is None else three(one["high"])
        return None if one["low"] is None else f"{three(one['low'])}–{high}"

    return table(
        compared,
        words("NDCG@10 of", lambda one: one["method"]),
        words("against", lambda one: one["against"], detail=lambda one: "best baseline" if one["best"] else ""),
        numbers("ratio", lambda one: Cell(three(one["ratio"]), best=one["best"])),
        numbers("interval", interval),
        numbers("each seed", lambda one: ", ".join(map(three, one["seeds"]))),
    )


def _cost(result: Result, measured: Measurements) -> Section:
    """Time and memory of each method, of all its scenarios together."""
    queries: dict[str, float] = {one["name"]: one["queries"] / len(one["seeds"]) for one in result["scenarios"]}

    def means(method: str, metric: str) -> dict[str, float]:
        found = {name: measured.mean(name, method, metric) for name in queries}
        return {name: value for name, value in found.items() if value is not None}

    def fit(method: str) -> float | None:
        fits = means(method, "fit_seconds").values()
        return sum(fits) / len(fits) if fits else None

    def rank(method: str) -> float:
        found = means(method, "score_seconds")
        return 1000 * sum(found.values()) / float(sum(queries[name] for name in found))

    shown = table(
        [one["method"] for one in result["methods"]],
        words("Method", str),
        numbers("to fit", fit, "s"),
        numbers("to rank all candidates for a user", rank, "ms"),
        numbers("to keep", lambda method: max(means(method, "kept_mb").values()), "MB"),
        note=prose("coldstart.cost"),
    )
    return Section("Time and memory", (shown,))


def _against_known(result: Result, measured: Measurements) -> Iterator[Picture]:
    """NDCG@10 of new users against how many of their likes are known."""
    kinds = {one["method"]: one["kind"] for one in result["methods"]}
    lines: dict[str, list[tuple[int, float]]] = {}
    for name in (one["name"] for one in result["scenarios"]):
        if found := _KNOWN.fullmatch(name):
            for method in measured.variants(name):
                if kinds[method] != "baseline" or method in _DRAWN:
                    value = measured.mean(name, method, "ndcg@10")
                    lines.setdefault(method, []).append((int(found[1]), value or 0.0))
    if not any(len(points) > 1 for points in lines.values()):
        return
    counts = sorted({count for points in lines.values() for count, _ in points})

    def draw(axes: Axes) -> None:
        for place, (method, points) in enumerate(lines.items()):
            ours = kinds[method] != "baseline"
            axes.plot(
                [counts.index(count) for count, _ in sorted(points)],
                [value for _, value in sorted(points)],
                marker="os^Dv"[place % 5],
                markersize=7 if ours else 5,
                linewidth=2.2 if ours else 1.2,
                linestyle="--" if kinds[method] == "served" else "-",
                color=_tint(kinds[method], place),
                label=method,
            )
        axes.set_xticks(range(len(counts)), [str(count) for count in counts])
        axes.set_xlabel("known likes of a new user")
        axes.set_ylabel("NDCG@10")
        legend_below(axes)

    caption = prose("coldstart.known")
    yield picture("coldstart-known", caption, 3.6 + 0.22 * ((len(lines) + 1) // 2), draw)


def _cold_against_warm(result: Result, measured: Measurements) -> Iterator[Picture]:
    """What each method is worth for new items, beside what it is worth for known ones."""
    marks = {"item cold": ("o", 8), "warm": ("D", 6)}
    values = {
        one["method"]: {
            name: value for name in marks if (value := measured.mean(name, one["method"], "ndcg@10")) is not None
        }
        for one in result["methods"]
    }
    names = sorted((method for method in values if values[method]), key=lambda one: -values[one].get("item cold", 0.0))
    if not any(len(found) == 2 for found in values.values()):
        return
    kinds = {one["method"]: one["kind"] for one in result["methods"]}

    def draw(axes: Axes, y: int, index: int) -> None:
        found, tint = values[names[index]], _tint(kinds[names[index]], 0)
        axes.plot(list(found.values()), [y] * len(found), color=tint, linewidth=2, alpha=0.3)
        for name, value in found.items():
            face = tint if name == "item cold" else "white"
            axes.plot([value], [y], marks[name][0], color=tint, markersize=marks[name][1], markerfacecolor=face)

    caption = prose("coldstart.warm")
    yield row_picture("coldstart-warm", caption, names, draw, "NDCG@10: ● item cold   ◇ warm", room=0.3)


def _tint(kind: str, place: int) -> str:
    greys = ("#57534e", "#8a817a", "#a8a29e", "#78716c", "#c4bdb6")
    precision = {"model": "fp32", "served": "int8"}.get(kind)
    return colour("emberline", precision) if precision else greys[place % len(greys)]
