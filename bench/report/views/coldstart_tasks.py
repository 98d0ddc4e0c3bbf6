"""What `bench coldstart` measures beside the rankings, as sections; nothing where it was not measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from emberline.bench.coldstart.ablations import section as ablation
from emberline.bench.coldstart.attributes import section as labels
from emberline.bench.coldstart.behaviour import SECTION as LIKES
from emberline.bench.coldstart.corruption import BAD_DATA
from emberline.bench.coldstart.corruption import section as corrupted
from emberline.bench.coldstart.weighing import KNOWN, NEW, WEIGHING
from emberline.bench.harness.measurements import Measurements
from emberline.bench.harness.result import Result
from emberline.bench.report.document import Cell, Section, Table
from emberline.bench.report.tables import Declared, numbers, table, words
from emberline.bench.report.wording import prose, three

#: How the names of scenarios end in which users' attributes are not known.
NO_PROFILE: Final = ", no profile"
_FACTS: Final = " + facts"


def over_seeds(measured: Measurements, section: str, metric: str) -> Callable[[str], str]:
    """The range of a measure over the seeds; nothing if there is one."""

    def detail(method: str) -> str:
        values = measured.values(section, method, metric)
        return f"{min(values):.3f}–{max(values):.3f}" if len(values) > 1 else ""

    return detail


def groups(result: Result, _: Measurements) -> Iterator[Section]:
    """The gap between groups of users: of each method, scenario and attribute, the best group and the worst."""
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for one in result["groups"]:
        found.setdefault((one["scenario"], one["method"], one["field"]), []).append(one)
    by_worth = {key: sorted(means, key=lambda one: float(one["ndcg_at_10"])) for key, means in found.items()}
    rows = [(*key, means[0], means[-1]) for key, means in by_worth.items() if len(means) > 1]
    if not rows:
        return

    def group(title: str, place: int) -> Declared:
        def detail(row: tuple[Any, ...]) -> str:
            return f"{row[place]['group']}, {row[place]['queries']} queries"

        return numbers(title, lambda row: row[place]["ndcg_at_10"], write=three, detail=detail)

    shown = table(
        rows,
        words("Scenario", lambda row: row[0]),
        words("Method", lambda row: row[1]),
        words("users by", lambda row: row[2]),
        group("worst group", 3),
        group("best group", 4),
        numbers("gap", lambda row: row[4]["ndcg_at_10"] - row[3]["ndcg_at_10"], "NDCG@10", write=three),
        note=prose("coldstart.groups"),
    )
    yield Section("Groups of users", (shown,))


def attributes(_: Result, measured: Measurements) -> Iterator[Section]:
    """How well labels are predicted."""
    if not measured.variants(labels(True)):
        return
    titles = {"map": "macro mAP", "micro_f1": "micro F1", "macro_f1": "macro F1", "ece": "ECE"}
    hidden = _task_table(measured, labels(True), titles, "Method, from texts without the labels")
    shown = _task_table(measured, labels(False), titles, "Method, from texts with them, a copying task")
    yield Section("Attribute prediction", (prose("coldstart.attributes"), hidden, shown))


def behaviour(_: Result, measured: Measurements) -> Iterator[Section]:
    """How well likes are predicted."""
    if measured.variants(LIKES):
        shown = _task_table(measured, LIKES, {"auc": "AUC", "ece": "ECE"}, "Method")
        yield Section("Behaviour prediction", (prose("coldstart.behaviour"), shown))


def _task_table(measured: Measurements, section: str, titles: Mapping[str, str], title: str) -> Table:
    def column(metric: str, name: str) -> Declared:
        return numbers(
            name,
            lambda method: measured.mean(section, method, metric),
            write=three,
            detail=over_seeds(measured, section, metric),
            best=min if metric == "ece" else max,
        )

    columns = [column(metric, name) for metric, name in titles.items()]
    return table(measured.variants(section), words(title, str), *columns)


def facts(result: Result, measured: Measurements) -> Iterator[Section]:
    """Methods with facts beside the same without, where these make a difference."""
    rows = []
    for scenario in (one["name"] for one in result["scenarios"] if not one["name"].endswith(NO_PROFILE)):
        for name in measured.variants(scenario):
            method = name.removesuffix(_FACTS)
            plain, value = (measured.mean(scenario, one, "ndcg@10") for one in (method, name))
            if method != name and plain and value is not None and value != plain:
                rows.append((method, scenario, plain, value))
    if rows:
        shown = table(
            rows,
            words("Method", lambda row: row[0]),
            words("Scenario", lambda row: row[1]),
            numbers("without facts", lambda row: row[2], "NDCG@10", write=three),
            numbers("with facts", lambda row: row[3], "NDCG@10", write=three),
            numbers("ratio", lambda row: row[3] / row[2], write=three),
        )
        yield Section("Facts from a graph", (shown,))


def weights(_: Result, measured: Measurements) -> Iterator[Section]:
    """What a request's weight of new items costs and brings."""
    titles = {
        "new_places@10": "new items' share of the 10 places",
        "new_likes": "of the likes",
        "ndcg@10": "NDCG@10",
        KNOWN: "of known items' likes",
        NEW: "of new items' likes",
    }
    tables = [
        table(
            measured.variants(section),
            words(section.removeprefix(WEIGHING).capitalize(), str),
            *(
                numbers(title, partial(_mean, measured, section, metric), write=three)
                for metric, title in titles.items()
                if metric in measured.metrics(section)
            ),
        )
        for section in measured.sections()
        if section.startswith(WEIGHING)
    ]
    if tables:
        yield Section("Weight of new items", (prose("coldstart.weights"), *tables))


def _mean(measured: Measurements, section: str, metric: str, method: str) -> float | None:
    return measured.mean(section, method, metric)


def bad_data(_: Result, measured: Measurements) -> Iterator[Section]:
    """What bad data costs."""
    clean = corrupted("")
    faults = [section for section in measured.sections() if section.startswith(BAD_DATA) and section != clean]
    if not faults:
        return

    def column(section: str) -> Declared:
        def kept(method: str) -> str:
            before, after = (measured.mean(one, method, "ndcg@10") for one in (clean, section))
            return f"{after / before:.0%} kept" if before and after is not None else "–"

        def value(method: str) -> float | None:
            return measured.mean(section, method, "ndcg@10")

        return numbers(section.removeprefix(BAD_DATA), value, write=three, detail=kept, best=max)

    shown = table(
        measured.variants(clean),
        words("Method", str),
        numbers("clean data", lambda method: measured.mean(clean, method, "ndcg@10"), write=three),
        *map(column, faults),
    )
    yield Section("Bad data", (prose("coldstart.bad_data"), shown))


def ablations(result: Result, measured: Measurements) -> Iterator[Section]:
    """What each part of the training is worth."""
    found = result["ablations"]
    if not found:
        return
    ratios = {
        (one["name"], row["scenario"]): row["ratio"]
        for one in found
        for row in one["comparisons"]
        if row["ratio"] is not None
    }
    names = [one["name"] for one in result["scenarios"] if not one["name"].endswith(NO_PROFILE)]

    def column(title: str, unit: str, section: str, metric: str) -> Declared:
        def detail(one: Mapping[str, Any]) -> str:
            ratio = ratios.get((one["name"], section)) if metric == "ndcg@10" else None
            return "" if ratio is None else f"{ratio:.3f}×"

        def value(one: Mapping[str, Any]) -> float | None:
            return measured.mean(ablation(section), one["name"], metric)

        return numbers(title, value, unit, write=three, detail=detail)

    def changes(one: Mapping[str, Any]) -> Cell:
        return Cell(one["name"], ", ".join(f"{name} = {value}" for name, value in one["changes"].items()))

    shown = table(
        found,
        words("Training", changes),
        *(column(name, "NDCG@10", name, "ndcg@10") for name in names if measured.variants(ablation(name))),
        column("warm", "exposure Gini@10", "warm", "gini@10"),
        column("attributes", "macro mAP", labels(True), "map"),
        column("behaviour", "AUC", LIKES, "auc"),
        column("behaviour", "ECE", LIKES, "ece"),
    )
    yield Section("Ablations", (prose("coldstart.ablations", budget=result["settings"]["budget"]), shown))
