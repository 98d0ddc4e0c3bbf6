"""The document of `bench recall`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Block, Cell, Document, Picture, Section
from emberline.bench.report.plots import INK, beside, colour, legend_below, picture, row_picture
from emberline.bench.report.tables import Declared, numbers, table, words
from emberline.bench.report.wording import DASH, conditions, four, number, prose, slug, three


def view(result: Result) -> Document:
    """Vectors first, then what they are worth in ranking, then how far the scores moved."""
    sections = [_vectors(result)]
    sections += [_ranking(result, scenario) for scenario in result["scenarios"]]
    sections += [_kept(result), _drift(result), _embeddings(result), conditions(result)]
    return Document(
        "Recall",
        prose("recall.lead", reference=result["reference"], level=result["settings"]["level"]),
        tuple(sections),
    )


def _of(key: str) -> Any:
    return lambda one: one[key]


def _vectors(result: Result) -> Section:
    count = result["vectors"][0]["texts"] if result["vectors"] else 0
    shown = table(
        result["vectors"],
        words("Variant", _of("variant")),
        numbers(
            "agreement@10",
            _of("agreement_at_10"),
            "neighbours",
            write=four,
            detail=lambda one: f"@1 {one['agreement_at_1']:.3f}, @100 {one['agreement_at_100']:.3f}",
        ),
        numbers("agreement@10", _of("recommendations_at_10"), "recommendations", write=four),
        numbers(
            "Kendall's τ",
            _of("kendall_tau_mean"),
            "mean, least",
            write=four,
            detail=lambda one: four(one["kendall_tau_minimum"]),
        ),
        numbers("cosine", lambda one: Cell(f"{one['cosine_mean']:.5f}", f"{one['cosine_minimum']:.5f}"), "mean, least"),
        numbers(
            "ECE",
            _of("calibration_error"),
            f"{result['reference']}: {_small(result['reference_calibration_error'])}",
            write=_small,
        ),
        note=prose("recall.vectors", reference=result["reference"], count=count),
    )
    return Section("Vectors and orders", (shown,))


def _ranking(result: Result, scenario: Mapping[str, Any]) -> Section:
    name, found = scenario["name"], [one for one in result["rankings"] if one["scenario"] == scenario["name"]]

    def columns(title: str, key: str) -> tuple[Declared, Declared]:
        def kept(one: Mapping[str, Any]) -> Cell:
            return _kept_cell(one[f"{key}_kept"])

        unit = f"of {result['reference']}'s"
        return numbers(title, _of(f"{key}_at_10"), write=four, best=max), numbers(f"{title} kept", kept, unit)

    shown = table(
        found,
        words("Variant", _of("variant"), detail=lambda one: "baseline" if one["kind"] == "baseline" else ""),
        *columns("NDCG@10", "ndcg"),
        *columns("Recall@10", "recall"),
    )
    explained = prose("recall.ranking", scenario=scenario)
    return Section(f"Ranking: {name}", (explained, shown, _ranking_plot(found, name)))


def _kept_cell(kept: Mapping[str, Any] | None) -> Cell:
    if kept is None:
        return Cell(DASH)
    return Cell(_percent(kept["estimate"]), f"{_percent(kept['low'])}–{_percent(kept['high'])}")


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.1f} %"


def _ranking_plot(found: Sequence[Mapping[str, Any]], scenario: str) -> Picture:
    def draw(axes: Axes, y: int, index: int) -> None:
        value, tint = found[index]["ndcg_at_10"], _tint(found[index])
        axes.plot([0, value], [y, y], color=tint, linewidth=2, alpha=0.35)
        axes.plot([value], [y], "o", color=tint, markersize=8)
        beside(axes, three(value), value, y)

    caption = prose("recall.ranking_plot", scenario=scenario)
    names = [one["variant"] for one in found]
    return row_picture(f"recall-{slug(scenario)}", caption, names, draw, "NDCG@10", margin=0.12)


def _kept(result: Result) -> Section:
    """The precisions alone, on a scale on which they differ."""
    rows = [one for one in result["rankings"] if one["kind"] == "precision" and one["ndcg_kept"] is not None]

    def draw(axes: Axes, y: int, index: int) -> None:
        kept, tint = rows[index]["ndcg_kept"], _tint(rows[index])
        axes.plot([100 * kept["low"], 100 * kept["high"]], [y, y], color=tint, linewidth=3, alpha=0.4)
        axes.plot([100 * kept["estimate"]], [y], "o", color=tint, markersize=7)
        axes.axvline(100, color=INK, linewidth=1)

    caption = prose("recall.kept", reference=result["reference"])
    names = [f"{one['variant']}, {one['scenario']}" for one in rows]
    label = f"NDCG@10, % of {result['reference']}'s"
    return Section("What is kept", (row_picture("recall-kept", caption, names, draw, label, room=0.32, zero=False),))


def _drift(result: Result) -> Section:
    by_place = {(one["variant"], one["output"]): one for one in result["drift"]}

    def column(variant: str) -> Declared:
        def detail(output: str) -> str:
            return _small(by_place[variant, output]["maximum"])

        return numbers(
            variant, lambda output: by_place[variant, output]["mean"], "mean, largest", write=_small, detail=detail
        )

    shown = table(
        dict.fromkeys(one["output"] for one in result["drift"]),
        words("Output", lambda output: output.replace("_", " ")),
        *map(column, dict.fromkeys(one["variant"] for one in result["drift"])),
    )
    reference = result["reference"]
    blocks: list[Block] = [prose("recall.drift", reference=reference), shown]
    curves = [one for one in result["drift"] if one["quantiles"]]
    if curves:
        blocks.append(_curves(curves, reference))
    return Section("Score drift", tuple(blocks))


def _embeddings(result: Result) -> Section:
    measured = result["embeddings"]
    whole = measured["sizes"][0]

    def kept(title: str, key: str) -> Declared:
        def detail(one: Mapping[str, Any]) -> str:
            return _percent(one[key] / whole[key]) if one[key] is not None and whole[key] else ""

        return numbers(title, _of(key), "kept", write=four, detail=detail)

    first = f"{whole['kind']} with {whole['dimensions']} numbers"
    shown = table(
        measured["sizes"],
        words("item_embedding", lambda one: f"{one['kind']}, {one['dimensions']} numbers"),
        numbers(
            "bytes an item",
            lambda one: f"{one['vector_bytes']:,}",
            "with sentence_embedding",
            detail=lambda one: f"{one['item_bytes']:,}",
        ),
        numbers("agreement@10", _of("recommendations_at_10"), "recommendations", write=four),
        kept("NDCG@10, item cold", "item_cold_ndcg_at_10"),
        kept(f"NDCG@10, user cold, {measured['known']} known", "user_cold_ndcg_at_10"),
        note=prose("recall.embeddings", variant=measured["variant"], first=first),
    )
    return Section("Smaller embeddings", (shown,))


def _curves(curves: Sequence[Mapping[str, Any]], reference: str) -> Picture:
    def draw(axes: Axes) -> None:
        for one in curves:
            # An exact score has no place on a logarithmic axis.
            points = [(value, 100 * share) for share, value in one["quantiles"] if value]
            tint = colour("emberline", one["precision"])
            axes.plot(*zip(*points, strict=True), color=tint, marker="o", markersize=3, label=one["variant"])
        axes.set_xscale("log")
        axes.set_ylim(0, 103)
        axes.set_xlabel(f"drift, in standard deviations of {reference}'s scores")
        axes.set_ylabel("% of the scores that drift less")
        legend_below(axes, len(curves))

    return picture("recall-drift", prose("recall.drift_plot", reference=reference), 3.7, draw)


def _small(value: float | None) -> str:
    """A number that may be very small."""
    if value is None or value == 0 or value >= 0.001:
        return "0" if value == 0 else number(value)
    return f"{value:.0e}".replace("e-0", "e-")


def _tint(one: Mapping[str, Any]) -> str:
    return colour({"reference": "pytorch", "precision": "emberline"}.get(one["kind"], ""), one["precision"])
