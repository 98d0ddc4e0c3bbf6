"""The plots of `bench coldstart`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from matplotlib.axes import Axes

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Picture
from emberline.bench.report.plots import colour, name_rows, picture

_KNOWN: Final = re.compile(r"user cold, (\d+) known")
#: Baselines that are drawn, beside the best of each scenario: all of them would be a tangle.
_DRAWN: Final = ("popularity", "popularity in the user's group", "ALS", "EASE", "LightFM")


def against_known(result: Result) -> Iterator[Picture]:
    """NDCG@10 of new users against how many of their likes are known."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in result["rankings"]:
        found = _KNOWN.fullmatch(row["scenario"])
        if found and (row["kind"] != "baseline" or row["method"] in _DRAWN):
            lines.setdefault(row["method"], []).append((int(found[1]), _ndcg(row)))
    if not any(len(points) > 1 for points in lines.values()):
        return
    kinds = {row["method"]: row["kind"] for row in result["rankings"]}
    counts = sorted({count for points in lines.values() for count, _ in points})

    def draw(axes: Axes) -> None:
        for place, (method, points) in enumerate(lines.items()):
            points.sort()
            ours = kinds[method] != "baseline"
            axes.plot(
                [counts.index(count) for count, _ in points],
                [value for _, value in points],
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
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)

    caption = (
        "New users: NDCG@10 against how many of their likes are known, profile known too. With more likes known fewer "
        "are left to be found: compare methods at one count, not one method at several."
    )
    yield picture("coldstart-known", caption, 3.6 + 0.22 * ((len(lines) + 1) // 2), draw)


def cold_against_warm(result: Result) -> Iterator[Picture]:
    """What each method is worth for new items, beside what it is worth for known ones."""
    values: dict[str, dict[str, float]] = {}
    for row in result["rankings"]:
        if row["scenario"] in ("item cold", "warm"):
            values.setdefault(row["method"], {})[row["scenario"]] = _ndcg(row)
    if not any(len(found) == 2 for found in values.values()):
        return
    kinds = {row["method"]: row["kind"] for row in result["rankings"]}
    names = sorted(values, key=lambda method: values[method].get("item cold", 0.0), reverse=True)

    def draw(axes: Axes) -> None:
        for place, method in enumerate(reversed(names)):
            tint = _tint(kinds[method], 0)
            found = values[method]
            axes.plot(list(found.values()), [place] * len(found), color=tint, linewidth=2, alpha=0.3)
            if "item cold" in found:
                axes.plot([found["item cold"]], [place], "o", color=tint, markersize=8)
            if "warm" in found:
                axes.plot([found["warm"]], [place], "D", color=tint, markersize=6, markerfacecolor="white")
        name_rows(axes, names)
        axes.grid(axis="y", visible=False)
        axes.set_xlim(left=0)
        axes.set_xlabel("NDCG@10: ● item cold   ◇ warm")

    caption = (
        "New items (●) and known ones (◇), by method. Without a ●, a method cannot tell new items apart; without a ◇, "
        "it is ALS for known items. The two are on different scales: more of the new items are relevant."
    )
    yield picture("coldstart-warm", caption, 0.9 + 0.3 * len(names), draw)


def _ndcg(row: Mapping[str, Any]) -> float:
    return float(next(one["mean"] for one in row["measures"] if one["name"] == "ndcg@10"))


def _tint(kind: str, place: int) -> str:
    if kind == "model":
        return colour("emberline", "fp32")
    if kind == "served":
        return colour("emberline", "int8")
    greys = ("#57534e", "#8a817a", "#a8a29e", "#78716c", "#c4bdb6")
    return greys[place % len(greys)]
