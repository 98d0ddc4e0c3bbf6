"""The document of `bench recall`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from emberline.bench.document import Block, Cell, Column, Document, Picture, Section, Table
from emberline.bench.plots import INK, QUIET, colour, name_rows, picture
from emberline.bench.result import Result

from .wording import best_of, conditions, fraction, number


def view(result: Result) -> Document:
    """Vectors first, then what they are worth in ranking, then how far the scores moved."""
    sections = [_vectors(result)]
    sections += [_ranking(result, scenario) for scenario in result["scenarios"]]
    sections += [_kept(result), _drift(result), conditions(result)]
    reference = result["reference"]
    return Document(
        "Recall",
        f"What each precision keeps of {reference}'s vectors and rankings. Every candidate is ranked, none is sampled; "
        f"intervals are paired bootstrap intervals over the queries ({result['settings']['level']:.0%}).",
        tuple(sections),
    )


def _vectors(result: Result) -> Section:
    columns = (
        Column("Variant", number=False),
        Column("agreement@1"),
        Column("agreement@10"),
        Column("agreement@100"),
        Column("cosine, mean"),
        Column("cosine, least"),
    )
    rows = tuple(
        (
            Cell(one["variant"]),
            *(Cell(fraction(one[f"agreement_at_{k}"])) for k in (1, 10, 100)),
            Cell(f"{one['cosine_mean']:.6f}"),
            Cell(f"{one['cosine_minimum']:.6f}"),
        )
        for one in result["vectors"]
    )
    count = result["vectors"][0]["texts"] if result["vectors"] else 0
    note = (
        f"Over {count} item texts: agreement@k is the share of a text's k nearest texts by {result['reference']}'s "
        "vectors that are also among its k nearest by the variant's."
    )
    return Section("Vectors", (Table(columns, rows, note),))


def _ranking(result: Result, scenario: Mapping[str, Any]) -> Section:
    found = [one for one in result["rankings"] if one["scenario"] == scenario["name"]]
    reference = result["reference"]
    columns = (
        Column("Variant", number=False),
        Column("NDCG@10"),
        Column("NDCG@10 kept", f"of {reference}'s"),
        Column("Recall@10"),
        Column("Recall@10 kept", f"of {reference}'s"),
    )
    best = {key: best_of([one[key] for one in found], True) for key in ("ndcg_at_10", "recall_at_10")}
    rows = tuple(
        (
            Cell(one["variant"], "baseline" if one["kind"] == "baseline" else ""),
            Cell(fraction(one["ndcg_at_10"]), best=one["ndcg_at_10"] == best["ndcg_at_10"]),
            _kept_cell(one["ndcg_kept"]),
            Cell(fraction(one["recall_at_10"]), best=one["recall_at_10"] == best["recall_at_10"]),
            _kept_cell(one["recall_kept"]),
        )
        for one in found
    )
    said = f"{scenario['queries']:,} users ask, {scenario['candidates']:,} items are ranked for each."
    return Section(f"Ranking: {scenario['name']}", (said, Table(columns, rows), _ranking_plot(found, scenario["name"])))


def _kept_cell(kept: Mapping[str, Any] | None) -> Cell:
    if kept is None:
        return Cell("–")
    return Cell(_percent(kept["estimate"]), f"{_percent(kept['low'])}–{_percent(kept['high'])}")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _ranking_plot(found: Sequence[Mapping[str, Any]], scenario: str) -> Picture:
    def draw(axes: Axes) -> None:
        for place, one in enumerate(reversed(found)):
            tint = _tint(one)
            axes.plot([0, one["ndcg_at_10"]], [place, place], color=tint, linewidth=2, alpha=0.35)
            axes.plot([one["ndcg_at_10"]], [place], "o", color=tint, markersize=8)
            axes.annotate(
                f"{one['ndcg_at_10']:.3f}",
                (one["ndcg_at_10"], place),
                (8, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        name_rows(axes, [one["variant"] for one in found])
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.12)
        axes.set_xlim(left=0)
        axes.set_xlabel("NDCG@10")

    slug = "".join(letter if letter.isalnum() else "-" for letter in scenario)
    caption = f"NDCG@10, {scenario}: each precision, and grey the baselines that know no text. More is better."
    return picture(f"recall-{slug}", caption, 0.8 + 0.36 * len(found), draw)


def _kept(result: Result) -> Section:
    """The precisions alone, on a scale on which they differ."""
    rows = [
        (one, f"{one['variant']}, {one['scenario']}")
        for one in result["rankings"]
        if one["kind"] == "precision" and one["ndcg_kept"] is not None
    ]

    def draw(axes: Axes) -> None:
        for place, (one, _) in enumerate(reversed(rows)):
            kept, tint = one["ndcg_kept"], _tint(one)
            axes.plot([100 * kept["low"], 100 * kept["high"]], [place, place], color=tint, linewidth=3, alpha=0.4)
            axes.plot([100 * kept["estimate"]], [place], "o", color=tint, markersize=7)
        axes.axvline(100, color=INK, linewidth=1)
        name_rows(axes, [name for _, name in rows])
        axes.set_xlabel(f"NDCG@10, % of {result['reference']}'s")

    caption = (
        f"What each precision keeps of {result['reference']}'s NDCG@10, with its interval: where the interval holds "
        "100 %, no loss was measured."
    )
    return Section("What is kept", (picture("recall-kept", caption, 0.9 + 0.32 * len(rows), draw),))


def _drift(result: Result) -> Section:
    columns = (
        Column("Variant", number=False),
        Column("Output", number=False),
        Column("mean"),
        Column("95 in 100 below"),
        Column("largest"),
    )
    rows = tuple(
        (
            Cell(one["variant"]),
            Cell(one["output"]),
            Cell(_small(one["mean"])),
            Cell(_small(_quantile(one, 0.95))),
            Cell(_small(one["maximum"])),
        )
        for one in result["drift"]
    )
    found = [one for one in result["drift"] if _quantile(one, 0.5)]

    def draw(axes: Axes) -> None:
        for place, one in enumerate(reversed(found)):
            tint = colour("emberline", one["precision"])
            for low, high, width in ((0.05, 0.95, 2), (0.25, 0.75, 7)):
                ends = [_drawn(_quantile(one, low)), _drawn(_quantile(one, high))]
                axes.plot(ends, [place, place], color=tint, linewidth=width, alpha=0.45, solid_capstyle="butt")
            axes.plot([_drawn(_quantile(one, 0.5))], [place], "o", color=tint, markersize=5)
            axes.plot([one["maximum"]], [place], "x", color=tint, markersize=6)
        axes.set_xscale("log")
        name_rows(axes, [f"{one['variant']}: {one['output']}" for one in found])
        axes.set_xlabel("absolute difference: ● median   ▬ middle half   ─ 5 to 95 %   × largest")
        axes.xaxis.label.set_color(QUIET)

    blocks: list[Block] = [
        f"How far each output lies from {result['reference']}'s for the same user and item, as an absolute difference; "
        "similarity is the ranking score, probabilities lie between 0 and 1, ratings on the data's scale.",
        Table(columns, rows),
    ]
    if found:
        caption = f"Score drift against {result['reference']}. Further left is better; the scale is logarithmic."
        blocks.append(picture("recall-drift", caption, 0.9 + 0.32 * len(found), draw))
    return Section("Score drift", tuple(blocks))


def _quantile(drift: Mapping[str, Any], share: float) -> float | None:
    value: float | None = next((one["value"] for one in drift["quantiles"] if one["share"] == share), None)
    return value


def _drawn(value: float | None) -> float:
    """A number as it is drawn; none is left out."""
    return float("nan") if value is None else value


def _small(value: float | None) -> str:
    """A number that may be very small."""
    if value is None or value == 0 or value >= 0.001:
        return "0" if value == 0 else number(value)
    return f"{value:.0e}".replace("e-0", "e-")


def _tint(one: Mapping[str, Any]) -> str:
    if one["kind"] == "baseline":
        return colour("", "baseline")
    return colour("pytorch" if one["kind"] == "reference" else "emberline", one["precision"])
