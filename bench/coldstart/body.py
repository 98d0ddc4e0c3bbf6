"""The result's own part, out of all findings; `docs/coldstart.md` says what every key means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from emberline.bench.harness.participants import summarise
from emberline.engine.bundle import Bundle
from emberline.export.data.records import Dataset

from . import ablations
from .attributes import Attributes
from .behaviour import Behaviour
from .bounds import targets
from .entries import Entry
from .findings import Findings
from .plan import Plan
from .settings import ColdStartSettings
from .standings import Comparison, GroupMean, Places, Standing, by_place, compare, groups, measured, rivals, standing

#: Measures of the two tasks.
_ATTRIBUTES: Final = ("map", "micro_f1", "macro_f1", "ece")
_BEHAVIOUR: Final = ("auc", "ece")


@dataclass(frozen=True, slots=True)
class ScenarioRecord:
    """A scenario's size: of all seeds together, `queries`; of each, `candidates`."""

    name: str
    seeds: tuple[int, ...]
    queries: int
    candidates: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What bad data costs a method: NDCG@10 in `item cold`, means over the seeds, and the share that is kept."""

    method: str
    how: str
    clean: float
    spoilt: float
    kept: float


def body(
    dataset: Dataset, findings: Findings, trials: Findings, plan: Plan, settings: ColdStartSettings
) -> dict[str, Any]:
    """Put all findings together.

    Args:
        dataset: whose users the groups are of.
        findings: of baselines and models.
        trials: of ablations.
        plan: what took part.
        settings: how it was measured.
    """
    places = by_place(findings.entries)
    standings = [standing(found) for found in places.values()]
    comparisons = _comparisons(places, standings, settings)
    attributes = _task(findings.attributes, _ATTRIBUTES)
    behaviour = _task(findings.behaviour, _BEHAVIOUR)
    return {
        "bundles": [summarise(Bundle.open(bundle)) for bundle in plan.bundles],
        "runs": findings.runs,
        "left_out": findings.left_out,
        "scenarios": _scenarios(findings.entries),
        "rankings": standings,
        "comparisons": comparisons,
        "groups": _groups(places, standings, dataset),
        "attributes": attributes,
        "behaviour": behaviour,
        "bad_data": _losses(findings),
        "ablations": _ablations(trials, plan, settings),
        "targets": targets(comparisons, attributes, behaviour),
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


def _comparisons(places: Places, standings: Sequence[Standing], settings: ColdStartSettings) -> list[Comparison]:
    """Every model with every baseline of its scenario, and every served model with what it was exported from."""
    found = []
    for ours in standings:
        if ours.kind == "baseline":
            continue
        others = rivals(standings, ours.scenario, facts=ours.facts)
        best = others[0] if others else None
        if ours.kind == "served":
            models = [one for one in standings if one.scenario == ours.scenario and one.kind == "model"]
            others += [one for one in models if ours.method.startswith(f"{one.method}, ")]
        for other in others:
            pair = places[ours.scenario, ours.method], places[other.scenario, other.method]
            comparison = compare(*pair, settings, best=other is best)
            if comparison is not None:
                found.append(comparison)
    return found


def _groups(places: Places, standings: Sequence[Standing], dataset: Dataset) -> list[GroupMean]:
    """The groups' means of every model, and of the best baseline of each scenario."""
    found = []
    for ours in standings:
        best = next(iter(rivals(standings, ours.scenario, facts=ours.facts)), None)
        if ours.kind == "model" or ours is best:
            found += groups(places[ours.scenario, ours.method], dataset.users)
    return found


def _task(found: Sequence[Attributes] | Sequence[Behaviour], measures: Sequence[str]) -> list[dict[str, Any]]:
    """Means over the seeds, by method and, of attributes, by whether the labels were hidden."""
    rows: dict[tuple[str, bool], list[Any]] = {}
    for one in found:
        rows.setdefault((one.method, getattr(one, "hidden", False)), []).append(one)
    return [
        {
            "method": method,
            **({"hidden": hidden} if isinstance(same[0], Attributes) else {}),
            "measures": [measured(name, [getattr(one, name) for one in same]) for name in measures],
            "chosen": [{"seed": one.seed, "settings": one.settings} for one in same],
        }
        for (method, hidden), same in rows.items()
    ]


def _losses(findings: Findings) -> list[Loss]:
    values: dict[tuple[str, str], list[float]] = {}
    for one in findings.spoilt:
        values.setdefault((one.method, one.how), []).append(one.ndcg_at_10)
    found = []
    for (method, how), spoilt in values.items():
        if how:
            clean = float(np.mean(values[method, ""]))
            found.append(Loss(method, how, clean, float(np.mean(spoilt)), float(np.mean(spoilt)) / clean))
    return found


def _ablations(trials: Findings, plan: Plan, settings: ColdStartSettings) -> list[dict[str, Any]]:
    places = by_place(trials.entries)
    found = []
    names = (ablations.COMPLETE, *plan.ablations, ablations.WITH_FACTS)
    for name in names:
        whole = {scenario: entries for (scenario, method), entries in places.items() if method == name}
        if not whole:
            continue
        found.append(
            {
                "name": name,
                "changes": ablations.ABLATIONS.get(name, {}),
                "rankings": [standing(entries) for entries in whole.values()],
                "comparisons": [
                    compare(entries, places[scenario, ablations.COMPLETE], settings)
                    for scenario, entries in whole.items()
                    if name != ablations.COMPLETE
                ],
                "attributes": _task([one for one in trials.attributes if one.method == name], _ATTRIBUTES),
                "behaviour": _task([one for one in trials.behaviour if one.method == name], _BEHAVIOUR),
            }
        )
    return found
