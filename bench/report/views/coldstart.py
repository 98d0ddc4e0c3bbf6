"""The document of `bench coldstart`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Block, Cell, Column, Document, Section, Table

from .coldstart_cells import is_best, mean_of, seeds_of, three
from .coldstart_plots import against_known, cold_against_warm
from .coldstart_trials import NO_PROFILE, ablations, attributes, bad_data, behaviour, facts, groups
from .wording import best_of, conditions, number

_EXPLAINED: Final = {
    "item cold": "Items that training never saw, ranked among themselves for users that it knows.",
    "item cold, mixed": "The same items have to hold their own against all others that the user has not met. A method "
    "that knows warm items by their likes alone never shows a new one.",
    "warm": "Items and users that training knows: each user's latest likes.",
    "by time": "Everything after one moment, for everyone who came after it: what a system that was trained at that "
    "moment would have been worth. There is one such split, so there are no seeds.",
}
_MEASURES: Final = (
    ("ndcg@10", "NDCG@10"),
    ("ndcg@20", "NDCG@20"),
    ("recall@10", "Recall@10"),
    ("recall@20", "Recall@20"),
    ("mrr", "MRR"),
    ("coverage@10", "coverage@10"),
    ("gini@10", "exposure Gini@10"),
)


def view(result: Result) -> Document:
    """Targets first, then the overview, then every scenario, task and trial."""
    sections = [*_targets(result), _overview(result)]
    sections += [_scenario(result, scenario) for scenario in result["scenarios"]]
    sections += [*groups(result), *attributes(result), *behaviour(result), *facts(result), *bad_data(result)]
    sections += [*ablations(result), _cost(result), *_left_out(result), conditions(result)]
    settings = result["settings"]
    tuned = "tuned on held-out training rows, never on what is measured" if settings["tune"] else "not tuned"
    return Document(
        "Cold start",
        f"{settings['data_set']}, seeds {', '.join(map(str, settings['seeds']))}: every candidate is ranked, none is "
        f"sampled. Baselines are {tuned}. "
        f"Intervals are paired bootstrap intervals over the users ({settings['level']:.0%}).",
        tuple(sections),
    )


def _targets(result: Result) -> Iterator[Section]:
    if not result["targets"]:
        return
    rows = tuple(
        (
            Cell(one["what"]),
            Cell("–" if one["value"] is None else f"{one['value']:.3f}"),
            Cell(f"{'≤' if one['at_most'] else '≥'} {one['bound']:.3g}"),
            Cell("reached" if one["reached"] else "missed", best=one["reached"]),
        )
        for one in result["targets"]
    )
    columns = (Column("Target", number=False), Column("measured"), Column("bound"), Column("", number=False))
    yield Section("Targets", (Table(columns, rows),))


def _overview(result: Result) -> Section:
    """NDCG@10 of every method in every scenario; those without profiles in a table of their own."""
    note = "A dash: the method cannot tell the candidates apart there, for instance without a history."
    names = [one["name"] for one in result["scenarios"]]
    strangers = [name for name in names if name.endswith(NO_PROFILE)]
    blocks: list[Block] = [_ndcg(result, [name for name in names if name not in strangers], note)]
    if strangers:
        blocks.append(_ndcg(result, strangers, ""))
    return Section("Overview", (*blocks, *against_known(result), *cold_against_warm(result)))


def _ndcg(result: Result, scenarios: Sequence[str], note: str) -> Table:
    cells = {(row["method"], row["scenario"]): mean_of(row, "ndcg@10") for row in result["rankings"]}
    methods = list(dict.fromkeys(row["method"] for row in result["rankings"]))
    fewer = {
        (row["method"], row["scenario"]): f"{len(row['chosen'])} of {len(scenario['seeds'])} seeds"
        for scenario in result["scenarios"]
        for row in result["rankings"]
        if row["scenario"] == scenario["name"] and len(row["chosen"]) < len(scenario["seeds"])
    }
    best = {name: best_of([cells.get((method, name)) for method in methods], True) for name in scenarios}
    rows = tuple(
        (
            Cell(method),
            *(
                Cell(
                    three(cells.get((method, name))),
                    fewer.get((method, name), ""),
                    best=is_best(cells.get((method, name)), best[name]),
                )
                for name in scenarios
            ),
        )
        for method in methods
    )
    columns = (Column("NDCG@10", number=False), *(Column(name) for name in scenarios))
    return Table(columns, rows, note)


def _scenario(result: Result, scenario: Mapping[str, Any]) -> Section:
    name = scenario["name"]
    found = [row for row in result["rankings"] if row["scenario"] == name]
    best = {key: best_of([mean_of(row, key) for row in found], True) for key, _ in _MEASURES[:5]}
    columns = (Column("Method", number=False), *(Column(title) for _, title in _MEASURES))
    rows = tuple(
        (
            Cell(row["method"]),
            *(
                Cell(
                    three(mean_of(row, key)),
                    seeds_of(row, key) if key == "ndcg@10" else "",
                    best=is_best(mean_of(row, key), best.get(key)),
                )
                for key, _ in _MEASURES
            ),
        )
        for row in found
    )
    explained = _EXPLAINED.get(
        name, "Users that training never saw, by what is known of them; all warm items are ranked."
    )
    said = (
        f"{explained} {scenario['queries']:,} queries over {len(scenario['seeds'])} "
        f"{'splits' if len(scenario['seeds']) > 1 else 'split'}, {scenario['candidates']:,} items for each."
    )
    blocks: list[Block] = [said, Table(columns, rows, "NDCG@10 with its range over the seeds.")]
    compared = [one for one in result["comparisons"] if one["scenario"] == name]
    if compared:
        blocks.append(_comparisons(compared))
    return Section(name[0].upper() + name[1:], tuple(blocks))


def _comparisons(compared: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            Cell(one["method"]),
            Cell(one["against"], "best baseline" if one["best"] else ""),
            Cell("–" if one["ratio"] is None else f"{one['ratio']:.3f}", best=one["best"]),
            Cell(_interval(one)),
            Cell(", ".join("–" if seed is None else f"{seed:.3f}" for seed in one["seeds"])),
        )
        for one in compared
    )
    columns = (
        Column("NDCG@10 of", number=False),
        Column("against", number=False),
        Column("ratio"),
        Column("interval"),
        Column("each seed"),
    )
    return Table(columns, rows)


def _interval(one: Mapping[str, Any]) -> str:
    if one["low"] is None:
        return "–"
    return f"{one['low']:.3f}–{'∞' if one['high'] is None else format(one['high'], '.3f')}"


def _cost(result: Result) -> Section:
    """Time and memory of each method, of all its scenarios together."""
    methods: dict[str, list[Mapping[str, Any]]] = {}
    for row in result["rankings"]:
        methods.setdefault(row["method"], []).append(row)
    queries = {one["name"]: one["queries"] / len(one["seeds"]) for one in result["scenarios"]}
    rows = []
    for method, found in methods.items():
        fits = [row["fit_seconds"] for row in found if row["fit_seconds"] is not None]
        scoring = sum(row["score_seconds"] for row in found) / sum(queries[row["scenario"]] for row in found)
        rows.append(
            (
                Cell(method),
                Cell(number(sum(fits) / len(fits)) if fits else "–"),
                Cell(number(1000 * scoring)),
                Cell(number(max(row["kept_mb"] for row in found))),
            )
        )
    columns = (
        Column("Method", number=False),
        Column("to fit", "s"),
        Column("to rank all candidates for a user", "ms"),
        Column("to keep", "MB"),
    )
    note = (
        "With settings that are known; tuning takes as many times longer as settings were tried. Of a model: its "
        "training and the encoding of all items; of a served one: the upsert of all items, and answers over a socket."
    )
    return Section("Time and memory", (Table(columns, tuple(rows), note),))


def _left_out(result: Result) -> Iterator[Section]:
    if result["left_out"]:
        said = tuple(f"{one['variant']}: {one['reason']}." for one in result["left_out"])
        yield Section("What was left out", said)
