"""What `bench coldstart` measures beside the rankings, as sections; nothing where it was not measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Block, Cell, Column, Section, Table

from .coldstart_cells import is_best, mean_of, seeds_of, three
from .wording import best_of

#: How the names of scenarios end in which users' attributes are not known.
NO_PROFILE: Final = ", no profile"


def groups(result: Result) -> Iterator[Section]:
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
                Cell(three(low["ndcg_at_10"]), f"{low['group']}, {low['queries']} queries"),
                Cell(three(high["ndcg_at_10"]), f"{high['group']}, {high['queries']} queries"),
                Cell(three(high["ndcg_at_10"] - low["ndcg_at_10"])),
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


def attributes(result: Result) -> Iterator[Section]:
    """How well labels are predicted."""
    if not result["attributes"]:
        return
    keys = (("map", "macro mAP"), ("micro_f1", "micro F1"), ("macro_f1", "macro F1"), ("ece", "ECE"))
    blocks: list[Block] = ["The labels of items that training never saw. ECE: less is better."]
    for hidden, said in ((True, "from texts without the labels"), (False, "from texts with them, a copying task")):
        found = [row for row in result["attributes"] if row["hidden"] == hidden]
        blocks.append(_task_table(found, keys, f"Method, {said}"))
    yield Section("Attribute prediction", tuple(blocks))


def behaviour(result: Result) -> Iterator[Section]:
    """How well likes are predicted."""
    if not result["behaviour"]:
        return
    said = "Whether a user will like an item that they meet: the latest rows of users that training knows."
    table = _task_table(result["behaviour"], (("auc", "AUC"), ("ece", "ECE")), "Method")
    yield Section("Behaviour prediction", (said, table))


def _task_table(found: Sequence[Mapping[str, Any]], keys: Sequence[tuple[str, str]], title: str) -> Table:
    best = {key: best_of([mean_of(row, key) for row in found], key != "ece") for key, _ in keys}
    rows = tuple(
        (
            Cell(row["method"]),
            *(
                Cell(three(mean_of(row, key)), seeds_of(row, key), is_best(mean_of(row, key), best[key]))
                for key, _ in keys
            ),
        )
        for row in found
    )
    return Table((Column(title, number=False), *(Column(name) for _, name in keys)), rows)


def facts(result: Result) -> Iterator[Section]:
    """Methods with facts beside the same without, where these make a difference."""
    cells = {(row["method"], row["scenario"]): mean_of(row, "ndcg@10") for row in result["rankings"]}
    rows = []
    for (method, scenario), value in cells.items():
        plain = cells.get((method.removesuffix(" + facts"), scenario))
        if not method.endswith(" + facts") or scenario.endswith(NO_PROFILE):
            continue
        if plain and value is not None and value != plain:
            rows.append(
                (
                    Cell(method.removesuffix(" + facts")),
                    Cell(scenario),
                    Cell(three(plain)),
                    Cell(three(value)),
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


def bad_data(result: Result) -> Iterator[Section]:
    """What bad data costs."""
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
            Cell(three(cells[method, ways[0]]["clean"])),
            *(
                Cell(
                    three(cells[method, how]["spoilt"]),
                    "–" if cells[method, how]["kept"] is None else f"{cells[method, how]['kept']:.0%} kept",
                    is_best(cells[method, how]["spoilt"], best[how]),
                )
                for how in ways
            ),
        )
        for method in methods
    )
    columns = (Column("Method", number=False), Column("clean data"), *(Column(how) for how in ways))
    said = "NDCG@10 of `item cold` when the new items' data is bad. All methods were fitted to clean data."
    yield Section("Bad data", (said, Table(columns, rows)))


def ablations(result: Result) -> Iterator[Section]:
    """What each part of the training is worth."""
    found = result["ablations"]
    if not found:
        return
    scenarios = [row["scenario"] for row in found[0]["rankings"] if "no profile" not in row["scenario"]]
    rows = []
    for one in found:
        values = {row["scenario"]: mean_of(row, "ndcg@10") for row in one["rankings"]}
        ratios = {row["scenario"]: row["ratio"] for row in one["comparisons"] if row["ratio"] is not None}
        hidden = next((row for row in one["attributes"] if row["hidden"]), None)
        likes = next(iter(one["behaviour"]), None)
        shown = next((row for row in one["rankings"] if row["scenario"] == "warm"), None)
        rows.append(
            (
                Cell(one["name"], ", ".join(f"{name} = {value}" for name, value in one["changes"].items())),
                *(
                    Cell(three(values.get(name)), f"{ratios[name]:.3f}×" if name in ratios else "")
                    for name in scenarios
                ),
                Cell(three(mean_of(shown, "gini@10")) if shown else "–"),
                Cell(three(mean_of(hidden, "map")) if hidden else "–"),
                Cell(three(mean_of(likes, "auc")) if likes else "–"),
                Cell(three(mean_of(likes, "ece")) if likes else "–"),
            )
        )
    columns = (
        Column("Training", number=False),
        *(Column(name, "NDCG@10") for name in scenarios),
        Column("warm", "exposure Gini@10"),
        Column("attributes", "macro mAP"),
        Column("behaviour", "AUC"),
        Column("behaviour", "ECE"),
    )
    said = (
        f"What each part of the training is worth: one thing is changed at a time, all with "
        f"{result['settings']['budget']:.0%} of the default steps. Ratios are to the complete training of that length."
    )
    yield Section("Ablations", (said, Table(columns, tuple(rows))))
