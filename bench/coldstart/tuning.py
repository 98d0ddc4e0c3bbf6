"""Choosing a baseline's settings by what it is worth within the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from emberline.export.baselines.baseline import Baseline, answer
from emberline.export.baselines.material import BaselineData
from emberline.export.evaluation.evaluation import evaluate

from .contenders import Contender
from .settings import MEASURE
from .tasks import Round, with_profile

_K: Final = (10,)


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings that a baseline takes into a scenario."""

    baseline: Baseline  # with its settings.
    value: float | None  # what it was worth when they were chosen; None: there was nothing to choose.
    tried: int  # how many settings there were.


def choose(contender: Contender, rounds: Sequence[tuple[Round, BaselineData]]) -> Mapping[str, Choice]:
    """Choose settings for each scenario.

    Each scenario has its own best settings, though a product would have one set for all of them: whatever is gained by
    that is the baselines'.

    Returns:
        By the scenario's name.
    """
    chosen: dict[str, Choice] = {}
    for round_, material in rounds:
        popularity = material.popularity()
        # What is best with the users' profiles is taken without them, too: that halves the time.
        asked = [one for one in round_.scenarios if one.name == with_profile(one.name)]
        for baseline in contender.grid:
            answered = [one for one in asked if baseline.answers(one, material.warm_items)]
            if len(contender.grid) == 1:
                chosen |= {scenario.name: Choice(baseline, None, 1) for scenario in answered}
                continue
            if not answered:
                continue
            fitted = baseline.fit(material)
            for scenario in answered:
                scores = answer(baseline, fitted, scenario, material.content, popularity)
                value = evaluate(scenario, scores, _K).means()[MEASURE]
                best = chosen.get(scenario.name)
                if best is None or best.value is None or value > best.value:
                    chosen[scenario.name] = Choice(baseline, value, len(contender.grid))
        for scenario in round_.scenarios:
            if (twin := chosen.get(with_profile(scenario.name))) is not None:
                chosen[scenario.name] = twin
    return chosen
