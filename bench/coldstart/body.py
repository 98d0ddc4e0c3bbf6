"""The result's own part, out of all findings; `docs/coldstart.md` says what every key means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from emberline.bench.harness.measurements import Bound, Measurements
from emberline.bench.harness.records import BundleRecord
from emberline.engine.bundle import Bundle
from emberline.export.data.records import Dataset

from . import ablations
from .attributes import section
from .behaviour import SECTION
from .comparisons import GroupMean, MethodRatio, Places, by_place, compare, groups, rivals
from .entries import Entry, Findings
from .plan import MODEL, Plan
from .settings import ColdStartSettings
from .standing import standing


@dataclass(frozen=True, slots=True)
class ScenarioRecord:
    """A scenario's size: of all seeds together, `queries`; of each, `candidates`."""

    name: str
    seeds: tuple[int, ...]
    queries: int
    candidates: int


@dataclass(frozen=True, slots=True)
class MethodRecord:
    """A method: `kind` is ``model``, ``served`` or ``baseline``; `facts`: whether it reads facts of a graph."""

    method: str
    kind: str
    facts: bool


def body(
    dataset: Dataset, findings: Findings, trials: Findings, plan: Plan, settings: ColdStartSettings
) -> dict[str, Any]:
    """Put all findings together."""
    places = by_place(findings.entries)
    comparisons = _comparisons(places, settings)
    methods = {one.method: MethodRecord(one.method, one.kind, one.facts) for one in findings.entries}
    trial_rows = [replace(row, section=ablations.section(row.section)) for row in trials.measured.rows]
    return {
        "bundles": [BundleRecord.of(Bundle.open_folder(bundle)) for bundle in plan.bundles],
        "runs": findings.runs,
        "left_out": findings.left_out,
        "scenarios": _scenarios(findings.entries),
        "methods": list(methods.values()),
        "measurements": Measurements([*findings.measured.rows, *trial_rows]),
        "chosen": findings.chosen,
        "comparisons": comparisons,
        "standing": standing(comparisons, findings.measured),
        "groups": _groups(places, dataset),
        "ablations": _ablations(trials, plan, settings),
        "bounds": bounds(comparisons, findings.measured),
    }


def _scenarios(entries: Sequence[Entry]) -> list[ScenarioRecord]:
    found: dict[str, dict[int, Entry]] = {}
    for entry in entries:
        found.setdefault(entry.scenario.name, {}).setdefault(entry.seed, entry)
    return [
        ScenarioRecord(
            name=name,
            seeds=tuple(sorted(seeds)),
            queries=sum(len(entry.scenario.users) for entry in seeds.values()),
            candidates=len(next(iter(seeds.values())).scenario.candidates),
        )
        for name, seeds in found.items()
    ]


def _comparisons(places: Places, settings: ColdStartSettings) -> list[MethodRatio]:
    """Every model with every baseline of its scenario, and every served model with what it was exported from."""
    found = []
    for (scenario, method), ours in places.items():
        if ours[0].kind == "baseline":
            continue
        others = rivals(places, scenario, facts=ours[0].facts)
        best = next(iter(others), None)
        if ours[0].kind == "served":
            models = [name for (place, name), one in places.items() if place == scenario and one[0].kind == "model"]
            others += [name for name in models if method.startswith(f"{name}, ")]
        for other in others:
            comparison = compare(ours, places[scenario, other], settings, best=other == best)
            if comparison is not None:
                found.append(comparison)
    return found


def _groups(places: Places, dataset: Dataset) -> list[GroupMean]:
    """The groups' means of every model, and of the best baseline of each scenario."""
    found = []
    for (scenario, method), ours in places.items():
        best = next(iter(rivals(places, scenario, facts=ours[0].facts)), None)
        if ours[0].kind == "model" or method == best:
            found += groups(ours, dataset.users)
    return found


def _ablations(trials: Findings, plan: Plan, settings: ColdStartSettings) -> list[dict[str, Any]]:
    places = by_place(trials.entries)
    found = []
    for name in (ablations.COMPLETE, *plan.ablations, ablations.WITH_FACTS):
        whole = {scenario: entries for (scenario, method), entries in places.items() if method == name}
        if whole:
            compared = [
                compare(entries, places[scenario, ablations.COMPLETE], settings)
                for scenario, entries in whole.items()
                if name != ablations.COMPLETE
            ]
            found.append({"name": name, "changes": ablations.ABLATIONS.get(name, {}), "comparisons": compared})
    return found


_EASE: Final = "EASE"
_GROUP: Final = "popularity in the user's group"
#: Short histories are where cold start is decided; with ten likes and more it is enough to keep up with EASE.
_FEW: Final = (1, 3, 5)


def bounds(comparisons: Sequence[MethodRatio], measured: Measurements) -> list[Bound]:
    """Every bound of which there is a measurement; none without a model."""
    return [*_rankings(comparisons), *_attributes(measured), *_behaviour(measured)]


def _rankings(comparisons: Sequence[MethodRatio]) -> Iterator[Bound]:
    ours = [one for one in comparisons if one.method == MODEL and one.ratio is not None]
    for one in ours:
        if one.best and one.scenario == "item cold":
            yield _bound("item cold: NDCG@10 / best baseline", one.ratio, 1.15)
            yield _bound("item cold: the ratio's interval begins at", one.low, 1.0)
        for k in _FEW:
            if one.best and one.scenario == f"user cold, {k} known":
                yield _bound(f"user cold, {k} known: NDCG@10 / best baseline", one.ratio, 1.0)
        if one.against == _GROUP and one.scenario == "user cold, 0 known":
            yield _bound(f"user cold, 0 known: NDCG@10 / {_GROUP}", one.ratio, 1.0)
        if one.against == _EASE and one.scenario in ("user cold, 10 known", "warm"):
            yield _bound(f"{one.scenario}: NDCG@10 / {_EASE}", one.ratio, 0.98)
    for one in comparisons:
        if one.method.startswith(f"{MODEL}, ") and one.against == MODEL and one.ratio is not None:
            yield _bound(f"{one.scenario}: NDCG@10 of {one.method} / {MODEL}", one.ratio, 0.99)


def _attributes(measured: Measurements) -> Iterator[Bound]:
    ours = measured.mean(section(True), MODEL, "map")
    probe = next((name for name in measured.variants(section(True)) if name.startswith("probe")), None)
    if ours is not None and probe is not None:
        theirs = measured.mean(section(True), probe, "map")
        yield _bound(f"attributes: macro mAP / {probe}", ours / theirs if theirs else None, 1.05)


def _behaviour(measured: Measurements) -> Iterator[Bound]:
    auc = measured.mean(SECTION, MODEL, "auc")
    if auc is not None:
        means = [name for name in measured.variants(SECTION) if name.startswith("mean of the item")]
        best = max((measured.mean(SECTION, name, "auc") or 0.0 for name in means), default=0.5)
        yield _bound("behaviour: AUC, above that of the means of items and groups", auc, best)
        ece = measured.mean(SECTION, MODEL, "ece")
        yield _bound("behaviour: calibration error (ECE)", ece, 0.03, at_most=True)


def _bound(what: str, value: float | None, bound: float, *, at_most: bool = False) -> Bound:
    return Bound.of(what, "", [] if value is None else [value], bound, at_most=at_most)
