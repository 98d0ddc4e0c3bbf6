"""Methods in the scenarios of one split, and what was found so far, seed by seed."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from emberline.bench.harness.measurements import Measurements
from emberline.bench.harness.records import RunRecord
from emberline.bench.harness.variants import LeftOut
from emberline.export.baselines.baseline import Baseline, FittedBaseline, answer
from emberline.export.baselines.contenders import Contender
from emberline.export.baselines.material import BaselineData
from emberline.export.evaluation.evaluation import Evaluation, evaluate
from emberline.export.evaluation.scenarios import Scenario, parts

from .settings import CUTOFFS
from .tasks import Round, with_profile
from .tuning import TunedBaseline


@dataclass(frozen=True, slots=True)
class Cost:
    """What a method costs."""

    fit_seconds: float | None  # time to fit it with known settings; None: not known.
    score_seconds: float  # time to score all candidates for all who ask, with a new fit where a method needs one.
    kept_mb: float  # what the fitted method keeps, written to a file.

    def measures(self) -> dict[str, float]:
        """As metrics; what is not known is missing."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Entry:
    """One method in one scenario of one split."""

    seed: int  # seed of the split.
    method: str  # its name.
    kind: str  # ``model``, ``served`` or ``baseline``.
    facts: bool  # whether it reads facts of a graph.
    scenario: Scenario  # what was asked.
    evaluation: Evaluation  # what the answers are worth.
    settings: str  # the method's, as they could be written in Python; of a model, where it comes from.
    tuned_to: float | None  # what the settings were worth when they were chosen; None: there was nothing to choose.
    tried: int  # number of settings to choose from.
    cost: Cost  # what the method costs here.

    def and_parts(self, scores: NDArray[np.floating]) -> Iterator[Entry]:
        """This and, where new items are ranked with known ones, the same for either of them, by the same scores."""
        yield self
        for part in parts(self.scenario):
            evaluation = evaluate(part.scenario, part.of(scores), CUTOFFS)
            yield replace(self, scenario=part.scenario, evaluation=evaluation)


def put(
    final: Round,
    score: Callable[[Scenario], NDArray[np.floating]],
    *,
    method: str,
    kind: str,
    facts: bool,
    settings: str,
    fit_seconds: float | None,
    kept_mb: float,
) -> Iterator[Entry]:
    """Put a fitted method that has nothing to tune to all scenarios; `score` gives (Q, C), the rest is `Entry`'s."""
    for scenario in final.scenarios:
        began = time.perf_counter()
        scores = score(scenario)
        cost = Cost(fit_seconds, time.perf_counter() - began, kept_mb)
        whole = Entry(
            seed=final.split.seed,
            method=method,
            kind=kind,
            facts=facts,
            scenario=scenario,
            evaluation=evaluate(scenario, scores, CUTOFFS),
            settings=settings,
            tuned_to=None,
            tried=1,
            cost=cost,
        )
        yield from whole.and_parts(scores)


def enter(
    contender: Contender,
    choices: Mapping[str, TunedBaseline],
    final: Round,
    material: BaselineData,
    *,
    name: str = "",
    facts: bool = False,
) -> Iterator[Entry]:
    """Put a baseline to all scenarios that it answers.

    Args:
        contender: the baseline.
        choices: its settings, by scenario; where nothing could be chosen, the first of its grid are taken.
        final: the scenarios.
        material: what may be fitted.
        name: in place of the baseline's own.
        facts: whether the material has facts of a graph.
    """
    fitted: dict[Baseline, tuple[FittedBaseline, float]] = {}
    entered: dict[str, Entry] = {}
    popularity = material.popularity()
    # A copy shares nothing with other baselines. What the settings of this one share is in the time of the first fit,
    # which is the whole time of any of them.
    alone, fit_seconds = replace(material), 0.0
    for scenario in final.scenarios:
        choice = choices.get(scenario.name, TunedBaseline(contender.grid[0], None, 1))
        if not choice.baseline.answers(scenario, material.warm_items):
            continue
        twin = entered.get(with_profile(scenario.name))
        if twin is not None and not choice.baseline.reads_profile and twin.settings == choice.settings:
            yield replace(twin, scenario=scenario, evaluation=replace(twin.evaluation, scenario=scenario.name))
            continue
        if choice.baseline not in fitted:
            began = time.perf_counter()
            scorer = choice.baseline.fit(alone)
            fit_seconds = max(fit_seconds, time.perf_counter() - began)
            fitted[choice.baseline] = scorer, len(pickle.dumps(scorer)) / 1e6
        scorer, kept_mb = fitted[choice.baseline]
        began = time.perf_counter()
        scores = answer(choice.baseline, scorer, scenario, material.content, popularity)
        cost = Cost(fit_seconds, time.perf_counter() - began, kept_mb)
        levelled = choice.level.of(scenario, scores)
        found = entered[scenario.name] = Entry(
            seed=final.split.seed,
            method=name or contender.name,
            kind="baseline",
            facts=facts,
            scenario=scenario,
            evaluation=evaluate(scenario, levelled, CUTOFFS),
            settings=choice.settings,
            tuned_to=choice.value,
            tried=choice.tried,
            cost=cost,
        )
        for one in found.and_parts(levelled):
            if one is found or choice.baseline.answers(one.scenario, material.warm_items):
                yield one


@dataclass(frozen=True, slots=True)
class Chosen:
    """The settings of a method for one seed."""

    section: str  # the scenario or task.
    method: str  # its name.
    seed: int  # seed of the split.
    settings: str  # as they could be written in Python; of a model, where it comes from; empty if there are none.
    #: what they were worth when they were chosen; None: there was nothing to choose, or it is not known.
    tuned_to: float | None = None
    tried: int = 1  # number of settings to choose from.


@dataclass(slots=True)
class Findings:
    """Collects what is measured."""

    measured: Measurements = field(
        default_factory=Measurements
    )  # one value for each seed, by scenario or task and method.
    chosen: list[Chosen] = field(default_factory=list)  # the settings behind the values, in the same order.
    #: rankings of baselines, models and served models, query by query.
    entries: list[Entry] = field(default_factory=list)
    runs: list[RunRecord] = field(default_factory=list)  # runs whose models were measured.
    left_out: list[LeftOut] = field(default_factory=list)  # what was not measured, and why.

    def enter(self, entries: Iterable[Entry]) -> None:
        """Note rankings."""
        for one in entries:
            place = one.scenario.name
            self.entries.append(one)
            self.measured.add(place, one.method, {**one.evaluation.means(), **one.cost.measures()})
            self.chosen.append(Chosen(place, one.method, one.seed, one.settings, one.tuned_to, one.tried))

    def add(self, section: str, method: str, seed: int, measures: Mapping[str, float], settings: str = "") -> None:
        """Note what a method is worth in a task."""
        self.measured.add(section, method, measures)
        self.chosen.append(Chosen(section, method, seed, settings))

    def leave_out(self, name: str, reason: str) -> None:
        """Note what is not measured; once, though every seed finds it."""
        if all(one.variant != name for one in self.left_out):
            self.left_out.append(LeftOut(name, reason))
