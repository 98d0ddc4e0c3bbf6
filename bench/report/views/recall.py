"""The document of `bench recall`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Block, Cell, Column, Document, Picture, Section, Table
from emberline.bench.report.plots import INK, colour, name_rows, picture

from .wording import best_of, conditions, fraction, number


def view(result: Result) -> Document:
    """Vectors first, then what they are worth in ranking, then how far the scores moved."""
    sections = [_vectors(result)]
    sections += [_ranking(result, scenario) for scenario in result["scenarios"]]
    sections += [_kept(result), _drift(result), _embeddings(result), conditions(result)]
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
        Column("agreement@10", "neighbours"),
        Column("agreement@10", "recommendations"),
        Column("Kendall's τ", "mean, least"),
        Column("cosine", "mean, least"),
        Column("ECE", f"{result['reference']}: {_small(result['reference_calibration_error'])}"),
    )
    rows = tuple(
        (
            Cell(one["variant"]),
            Cell(
                fraction(one["agreement_at_10"]),
                f"@1 {one['agreement_at_1']:.3f}, @100 {one['agreement_at_100']:.3f}",
            ),
            Cell(fraction(one["recommendations_at_10"])),
            Cell(fraction(one["kendall_tau_mean"]), fraction(one["kendall_tau_minimum"])),
            Cell(f"{one['cosine_mean']:.5f}", f"{one['cosine_minimum']:.5f}"),
            Cell(_small(one["calibration_error"])),
        )
        for one in result["vectors"]
    )
    count = result["vectors"][0]["texts"] if result["vectors"] else 0
    note = (
        f"Agreement@k is the share of the k nearest by {result['reference']}'s vectors that are also among the k "
        f"nearest by the variant's: of the neighbours of {count:,} items that training never saw, and of users' "
        "recommendations over the whole catalogue. Kendall's τ compares the orders of the unseen items for each user. "
        "ECE is the calibration error of the probabilities."
    )
    return Section("Vectors and orders", (Table(columns, rows, note),))


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
    outputs = list(dict.fromkeys(one["output"] for one in result["drift"]))
    variants = list(dict.fromkeys(one["variant"] for one in result["drift"]))
    by_place = {(one["variant"], one["output"]): one for one in result["drift"]}
    columns = (Column("Output", number=False), *(Column(variant, "mean, largest") for variant in variants))
    rows = tuple(
        (
            Cell(output.replace("_", " ")),
            *(
                Cell(_small(by_place[variant, output]["mean"]), _small(by_place[variant, output]["maximum"]))
                for variant in variants
            ),
        )
        for output in outputs
    )
    reference = result["reference"]
    blocks: list[Block] = [
        f"How far each output lies from {reference}'s for the same user and item, as an absolute difference: "
        f"the ranking score in standard deviations of {reference}'s scores; ratings as a share of their "
        "range; the others as probabilities.",
        Table(columns, rows),
    ]
    curves = [one for one in result["drift"] if one["quantiles"]]
    if curves:
        blocks.append(_curves(curves, reference))
    return Section("Score drift", tuple(blocks))


def _embeddings(result: Result) -> Section:
    measured = result["embeddings"]
    sizes = measured["sizes"]
    whole = sizes[0]
    new_users = f"user cold, {measured['known']} known"
    columns = (
        Column("item_embedding", number=False),
        Column("bytes an item", "with sentence_embedding"),
        Column("agreement@10", "recommendations"),
        Column("NDCG@10, item cold", "kept"),
        Column(f"NDCG@10, {new_users}", "kept"),
    )
    rows = tuple(
        (
            Cell(f"{one['kind']}, {one['dimensions']} numbers"),
            Cell(f"{one['vector_bytes']:,}", f"{one['item_bytes']:,}"),
            Cell(fraction(one["recommendations_at_10"])),
            *(_share(one[key], whole[key]) for key in ("item_cold_ndcg_at_10", "user_cold_ndcg_at_10")),
        )
        for one in sizes
    )
    first = f"{whole['kind']} with {whole['dimensions']} numbers"
    note = (
        f"By the vectors of {measured['variant']}. Items' vectors are kept as a catalogue keeps them "
        "(`--catalogue-vectors`), and of `item_embedding` and `user_embedding` only the first numbers make the ranking "
        f"score. Agreement is that of users' recommendations over the whole catalogue with those by {first}; what is "
        f"kept is a share of {first}, too."
    )
    return Section("Smaller embeddings", (Table(columns, rows, note),))


def _share(value: float | None, whole: float | None) -> Cell:
    return Cell(fraction(value), _percent(value / whole) if value is not None and whole else "")


def _curves(curves: Sequence[Mapping[str, Any]], reference: str) -> Picture:
    def draw(axes: Axes) -> None:
        for one in curves:
            tint = colour("emberline", one["precision"])
            # An exact score has no place on a logarithmic axis.
            points = [(point["value"], 100 * point["share"]) for point in one["quantiles"] if point["value"]]
            axes.plot(*zip(*points, strict=True), color=tint, marker="o", markersize=3, label=one["variant"])
        axes.set_xscale("log")
        axes.set_ylim(0, 103)
        axes.set_xlabel(f"drift, in standard deviations of {reference}'s scores")
        axes.set_ylabel("% of the scores that drift less")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=len(curves))

    caption = (
        f"Score drift: how many of the ranking scores lie nearer to {reference}'s than what is below. Further left is "
        "better; the scale is logarithmic."
    )
    return picture("recall-drift", caption, 3.7, draw)


def _small(value: float | None) -> str:
    """A number that may be very small."""
    if value is None or value == 0 or value >= 0.001:
        return "0" if value == 0 else number(value)
    return f"{value:.0e}".replace("e-0", "e-")


def _tint(one: Mapping[str, Any]) -> str:
    if one["kind"] == "baseline":
        return colour("", "baseline")
    return colour("pytorch" if one["kind"] == "reference" else "emberline", one["precision"])
