"""The choice of a baseline's settings by what they are worth within the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from emberline.export.baselines.baseline import Baseline, answer
from emberline.export.baselines.contenders import Contender
from emberline.export.baselines.level import UNMOVED, NewItemLevel, best_level
from emberline.export.baselines.material import BaselineData
from emberline.export.evaluation.scenarios import Scenario

from .kept import Kept
from .settings import K
from .tasks import Round, with_profile


@dataclass(frozen=True, slots=True)
class TunedBaseline:
    """The settings that a baseline takes into a scenario."""

    baseline: Baseline  # the baseline with its settings.
    value: float | None  # what it was worth when they were chosen; None: there was nothing to choose.
    tried: int  # number of settings to choose from.
    level: NewItemLevel = UNMOVED  # where it puts new items beside known ones.

    @property
    def settings(self) -> str:
        """As they could be written in Python."""
        return repr(self.baseline) if self.level == UNMOVED else f"{self.baseline!r}, {self.level!r}"


def choose(
    contender: Contender, rounds: Sequence[tuple[Round, BaselineData]], kept: Kept | None = None
) -> Mapping[str, TunedBaseline]:
    """Choose settings for each scenario; where new items are ranked with known ones, their level too.

    Each scenario has its own best settings, though a product would have one set for all of them: whatever is gained by
    that is the baselines'.

    Args:
        contender: the baseline.
        rounds: what to fit and what to ask.
        kept: what settings were worth before, so that they are not fitted again; None: nothing.

    Returns:
        By the scenario's name.
    """
    chosen: dict[str, TunedBaseline] = {}
    kept = kept or Kept()
    for round_, material in rounds:
        # What is best with the users' profiles is taken without them, too: that halves the time.
        asked = [one for one in round_.scenarios if one.name == with_profile(one.name)]
        for baseline in contender.grid:
            answered = [one for one in asked if baseline.answers(one, material.warm_items)]
            if len(contender.grid) == 1:
                chosen |= {one.name: TunedBaseline(baseline, None, 1) for one in answered if one.new is None}
                answered = [one for one in answered if one.new is not None]
            if not answered:
                continue
            of = ("tuned", round_.split.seed, [one.name for one in answered], repr(baseline))
            worth = kept.value(of, partial(_worth, baseline, answered, material))
            for name, (value, scale, offset) in worth.items():
                best = chosen.get(name)
                if best is None or best.value is None or value > best.value:
                    chosen[name] = TunedBaseline(baseline, value, len(contender.grid), NewItemLevel(scale, offset))
        for scenario in round_.scenarios:
            if (twin := chosen.get(with_profile(scenario.name))) is not None:
                chosen[scenario.name] = twin
    return chosen


def _worth(
    baseline: Baseline, scenarios: Sequence[Scenario], material: BaselineData
) -> dict[str, tuple[float, float, float]]:
    """NDCG@10 by scenario, with scale and offset of the best level of new items."""
    fitted, popularity = baseline.fit(material), material.popularity()
    found = {}
    for scenario in scenarios:
        level, value = best_level(scenario, answer(baseline, fitted, scenario, material.content, popularity), K)
        found[scenario.name] = (value, level.scale, level.offset)
    return found
