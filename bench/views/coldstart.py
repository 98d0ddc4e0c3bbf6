"""The document of `bench coldstart`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from emberline.bench.document import Block, Cell, Column, Document, Section, Table
from emberline.bench.result import Result

from .coldstart_plots import against_known, cold_against_warm
from .wording import best_of, conditions, number

_NO_PROFILE: Final = ", no profile"
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
    sections += [*_groups(result), *_attributes(result), *_behaviour(result), *_facts(result), *_bad_data(result)]
    sections += [*_ablations(result), _cost(result), *_left_out(result), conditions(result)]
    settings = result["settings"]
    tuned = "tuned on held-out training rows, never on what is measured" if settings["tune"] else "not tuned"
    return Document(
        "Cold start",
        f"{settings['data_set']}, seeds {', '.join(map(str, settings['seeds']))}: every candidate is ranked, none is "
        f"sampled. Baselines are {tuned}. "
        f"Intervals are paired bootstrap intervals over the users ({settings['level']:.0%}).",
        tuple(sections),
    )


def _mean(row: Mapping[str, Any], measure: str) -> float | None:
    value: float | None = next((one["mean"] for one in row["measures"] if one["name"] == measure), None)
    return value


def _spread(row: Mapping[str, Any], measure: str) -> str:
    seeds = next(one["seeds"] for one in row["measures"] if one["name"] == measure)
    return f"{min(seeds):.3f}–{max(seeds):.3f}" if len(seeds) > 1 else ""


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
    strangers = [name for name in names if name.endswith(_NO_PROFILE)]
    blocks: list[Block] = [_ndcg(result, [name for name in names if name not in strangers], note)]
    if strangers:
        blocks.append(_ndcg(result, strangers, ""))
    return Section("Overview", (*blocks, *against_known(result), *cold_against_warm(result)))


def _ndcg(result: Result, scenarios: Sequence[str], note: str) -> Table:
    cells = {(row["method"], row["scenario"]): _mean(row, "ndcg@10") for row in result["rankings"]}
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
                    _three(cells.get((method, name))),
                    fewer.get((method, name), ""),
                    best=_is(cells.get((method, name)), best[name]),
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
    best = {key: best_of([_mean(row, key) for row in found], True) for key, _ in _MEASURES[:5]}
    columns = (Column("Method", number=False), *(Column(title) for _, title in _MEASURES))
    rows = tuple(
        (
            Cell(row["method"]),
            *(
                Cell(
                    _three(_mean(row, key)),
                    _spread(row, key) if key == "ndcg@10" else "",
                    best=_is(_mean(row, key), best.get(key)),
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


def _groups(result: Result) -> Iterator[Section]:
    """The gap between groups of users: of each method, scenario and attribute, the best group and the worst."""
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for one in result["groups"]:
        found.setdefault((one["scenario"], one["method"], one["field"]), []).append(one)
    rows = []
    for (scenario, method, field), means in found.items():
        if len(means) < 2:
            continue
        low = min(means, key=lambda one: float(one["ndcg_at_10"]))
        high = max(means, key=lambda one: float(one["ndcg_at_10"]))
        rows.append(
            (
                Cell(scenario),
                Cell(method),
                Cell(field),
                Cell(_three(low["ndcg_at_10"]), f"{low['group']}, {low['queries']} queries"),
                Cell(_three(high["ndcg_at_10"]), f"{high['group']}, {high['queries']} queries"),
                Cell(_three(high["ndcg_at_10"] - low["ndcg_at_10"])),
            )
        )
    if not rows:
        return
    columns = (
        Column("Scenario", number=False),
        Column("Method", number=False),
        Column("users by", number=False),
        Column("worst group"),
        Column("best group"),
        Column("gap", "NDCG@10"),
    )
    note = "Groups of at least 20 queries; the more groups an attribute makes, the wider its gap is by chance alone."
    yield Section("Groups of users", (Table(columns, tuple(rows), note),))


def _attributes(result: Result) -> Iterator[Section]:
    if not result["attributes"]:
        return
    keys = (("map", "macro mAP"), ("micro_f1", "micro F1"), ("macro_f1", "macro F1"), ("ece", "ECE"))
    blocks: list[Block] = ["The labels of items that training never saw. ECE: less is better."]
    for hidden, said in ((True, "from texts without the labels"), (False, "from texts with them, a copying task")):
        found = [row for row in result["attributes"] if row["hidden"] == hidden]
        blocks.append(_task_table(found, keys, f"Method, {said}"))
    yield Section("Attribute prediction", tuple(blocks))


def _behaviour(result: Result) -> Iterator[Section]:
    if not result["behaviour"]:
        return
    said = "Whether a user will like an item that they meet: the latest rows of users that training knows."
    table = _task_table(result["behaviour"], (("auc", "AUC"), ("ece", "ECE")), "Method")
    yield Section("Behaviour prediction", (said, table))


def _task_table(found: Sequence[Mapping[str, Any]], keys: Sequence[tuple[str, str]], title: str) -> Table:
    best = {key: best_of([_mean(row, key) for row in found], key != "ece") for key, _ in keys}
    rows = tuple(
        (
            Cell(row["method"]),
            *(Cell(_three(_mean(row, key)), _spread(row, key), _is(_mean(row, key), best[key])) for key, _ in keys),
        )
        for row in found
    )
    return Table((Column(title, number=False), *(Column(name) for _, name in keys)), rows)


def _facts(result: Result) -> Iterator[Section]:
    """Methods with facts beside the same without, where these make a difference."""
    cells = {(row["method"], row["scenario"]): _mean(row, "ndcg@10") for row in result["rankings"]}
    rows = []
    for (method, scenario), value in cells.items():
        plain = cells.get((method.removesuffix(" + facts"), scenario))
        if not method.endswith(" + facts") or scenario.endswith(_NO_PROFILE):
            continue
        if plain and value is not None and value != plain:
            rows.append(
                (
                    Cell(method.removesuffix(" + facts")),
                    Cell(scenario),
                    Cell(_three(plain)),
                    Cell(_three(value)),
                    Cell(f"{value / plain:.3f}"),
                )
            )
    if rows:
        columns = (
            Column("Method", number=False),
            Column("Scenario", number=False),
            Column("without facts", "NDCG@10"),
            Column("with facts", "NDCG@10"),
            Column("ratio"),
        )
        yield Section("Facts from a graph", (Table(columns, tuple(rows)),))


def _bad_data(result: Result) -> Iterator[Section]:
    found = result["bad_data"]
    if not found:
        return
    ways = list(dict.fromkeys(one["how"] for one in found))
    cells = {(one["method"], one["how"]): one for one in found}
    methods = list(dict.fromkeys(one["method"] for one in found))
    best = {how: best_of([cells[method, how]["spoilt"] for method in methods], True) for how in ways}
    rows = tuple(
        (
            Cell(method),
            Cell(_three(cells[method, ways[0]]["clean"])),
            *(
                Cell(
                    _three(cells[method, how]["spoilt"]),
                    "–" if cells[method, how]["kept"] is None else f"{cells[method, how]['kept']:.0%} kept",
                    _is(cells[method, how]["spoilt"], best[how]),
                )
                for how in ways
            ),
        )
        for method in methods
    )
    columns = (Column("Method", number=False), Column("clean data"), *(Column(how) for how in ways))
    said = "NDCG@10 of `item cold` when the new items' data is bad. All methods were fitted to clean data."
    yield Section("Bad data", (said, Table(columns, rows)))


def _ablations(result: Result) -> Iterator[Section]:
    found = result["ablations"]
    if not found:
        return
    scenarios = [row["scenario"] for row in found[0]["rankings"] if "no profile" not in row["scenario"]]
    rows = []
    for one in found:
        values = {row["scenario"]: _mean(row, "ndcg@10") for row in one["rankings"]}
        ratios = {row["scenario"]: row for row in one["comparisons"]}
        hidden = next((row for row in one["attributes"] if row["hidden"]), None)
        likes = next(iter(one["behaviour"]), None)
        rows.append(
            (
                Cell(one["name"], ", ".join(f"{name} = {value:g}" for name, value in one["changes"].items())),
                *(
                    Cell(_three(values.get(name)), f"{ratios[name]['ratio']:.3f}×" if ratios.get(name) else "")
                    for name in scenarios
                ),
                Cell(_three(_mean(hidden, "map")) if hidden else "–"),
                Cell(_three(_mean(likes, "auc")) if likes else "–"),
                Cell(_three(_mean(likes, "ece")) if likes else "–"),
            )
        )
    columns = (
        Column("Training", number=False),
        *(Column(name, "NDCG@10") for name in scenarios),
        Column("attributes", "macro mAP"),
        Column("behaviour", "AUC"),
        Column("behaviour", "ECE"),
    )
    said = (
        f"What each part of the training is worth: one thing is changed at a time, all with "
        f"{result['settings']['budget']:.0%} of the default steps. Ratios are to the complete training of that length."
    )
    yield Section("Ablations", (said, Table(columns, tuple(rows))))


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


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _is(value: float | None, best: float | None) -> bool:
    return value is not None and value == best
