"""Methods in the scenarios of one split; baselines in all that they answer."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from emberline.export.baselines.baseline import Baseline, FittedBaseline, answer
from emberline.export.baselines.material import BaselineData
from emberline.export.evaluation.evaluation import Evaluation, evaluate
from emberline.export.evaluation.scenarios import Scenario

from .contenders import Contender
from .settings import CUTOFFS
from .tasks import Round, with_profile
from .tuning import Choice


@dataclass(frozen=True, slots=True)
class Cost:
    """What a method costs.

    Attributes:
        fit_seconds: to fit it, its settings being known; None: not known.
        score_seconds: to score all candidates for all who ask; fitting again belongs to it where a method must.
        kept_mb: what the fitted method keeps, written to a file.
    """

    fit_seconds: float | None
    score_seconds: float
    kept_mb: float

    def measures(self) -> dict[str, float]:
        """As metrics; what is not known is missing."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Entry:
    """One method in one scenario of one split.

    Attributes:
        seed: of the split.
        method: its name.
        kind: ``model``, ``served`` or ``baseline``.
        facts: whether it reads facts of a graph.
        scenario: what was asked.
        evaluation: what the answers are worth.
        settings: the method's, as they could be written in Python; of a model, where it comes from.
        tuned_to: what the settings were worth when they were chosen; None: there was nothing to choose.
        tried: how many settings there were to choose from.
        cost: of the method here.
    """

    seed: int
    method: str
    kind: str
    facts: bool
    scenario: Scenario
    evaluation: Evaluation
    settings: str
    tuned_to: float | None
    tried: int
    cost: Cost


def enter(
    contender: Contender,
    choices: Mapping[str, Choice],
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
    fitted: dict[Baseline, tuple[FittedBaseline, float, float]] = {}
    entered: dict[str, Entry] = {}
    popularity = material.popularity()
    for scenario in final.scenarios:
        choice = choices.get(scenario.name, Choice(contender.grid[0], None, 1))
        if not choice.baseline.answers(scenario, material.warm_items):
            continue
        twin = entered.get(with_profile(scenario.name))
        if twin is not None and not choice.baseline.reads_profile and twin.settings == repr(choice.baseline):
            yield replace(twin, scenario=scenario, evaluation=replace(twin.evaluation, scenario=scenario.name))
            continue
        if choice.baseline not in fitted:
            began = time.perf_counter()
            scorer = choice.baseline.fit(replace(material))  # a copy shares nothing: the time is the whole time
            fitted[choice.baseline] = (scorer, time.perf_counter() - began, len(pickle.dumps(scorer)) / 1e6)
        scorer, fit_seconds, kept_mb = fitted[choice.baseline]
        began = time.perf_counter()
        scores = answer(choice.baseline, scorer, scenario, material.content, popularity)
        cost = Cost(fit_seconds, time.perf_counter() - began, kept_mb)
        entered[scenario.name] = Entry(
            seed=final.split.seed,
            method=name or contender.name,
            kind="baseline",
            facts=facts,
            scenario=scenario,
            evaluation=evaluate(scenario, scores, CUTOFFS),
            settings=repr(choice.baseline),
            tuned_to=choice.value,
            tried=choice.tried,
            cost=cost,
        )
        yield entered[scenario.name]
