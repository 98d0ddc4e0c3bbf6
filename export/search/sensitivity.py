"""Decides what a search tries, by the sensitivity of layers.

1. 8-bit activations throughout, with each method of choosing ranges and several strengths of smoothing. These are free.
2. Each layer alone in 16 bits: its gain and its cost. The losses of layers approximately add up.
3. A ladder: one layer after another gets 16 bits, the one with the highest gain for its cost first. Bisection finds the
   lowest rung that meets the objective.
4. If the top rung does not meet it, the same from there with layers that stay fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from emberline.export.precision.linears import KINDS, LinearGroup
from emberline.export.precision.recipe import METHODS, RECIPES, Recipe

from .costs import Costs
from .objective import SearchObjective
from .trial import Trial

#: The strengths of smoothing that are tried for all layers, besides the best one for the statistics of each layer.
_ALPHAS: Final = (0.5, 0.7)
#: The share of the time after which single layers are no longer measured; the rest is for the ladder.
_MEASURING: Final = 0.6

#: Runs the trial of a recipe; raises `OutOfTime` if no time is left for it.
RunTrial = Callable[[Recipe], Trial]


class OutOfTime(Exception):
    """No trial may start any more; the search takes the best so far."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """One change that makes a recipe more accurate.

    Attributes:
        names: the layers that change; empty: the word embeddings become fp32.
        to: what the layers become, ``16-bit`` or ``fp32``.
    """

    names: frozenset[str]
    to: str

    def apply(self, recipe: Recipe) -> Recipe:
        """The recipe with the change."""
        if not self.names:
            return replace(recipe, embeddings=False)
        if self.to == "16-bit":
            return replace(recipe, activations_16bit=recipe.activations_16bit | self.names)
        return replace(recipe, activations_16bit=recipe.activations_16bit - self.names, fp32=recipe.fp32 | self.names)


class SensitivitySearch:
    """One search, guided by the sensitivity of layers."""

    def __init__(
        self,
        layers: Sequence[LinearGroup],
        costs: Costs,
        objective: SearchObjective,
        run_trial: RunTrial,
        elapsed: Callable[[], float],
    ) -> None:
        """Prepare the search.

        Args:
            layers: the linear layers of the encoder.
            costs: the costs of its int8 forms.
            objective: what must be met.
            run_trial: runs a trial.
            elapsed: returns the share of the time that has passed.
        """
        self._layers, self._costs, self._objective = layers, costs, objective
        self._run_trial, self._elapsed = run_trial, elapsed

    def run(self) -> None:
        """Run trials until the cheapest rung that meets the objective is known, or nothing is left to try.

        Raises:
            OutOfTime: the time is over before that.
        """
        base = self._base()
        if base.meets(self._objective):
            return
        for alternative in self._costs.alternatives:
            rungs = self._ladder(base, alternative)
            top = self._run_trial(rungs[-1])
            if top.meets(self._objective):
                self._lowest(rungs)
                return
            base = top

    def _base(self) -> Trial:
        """The best of the cheapest recipes, or the first of them that meets the objective."""
        best = self._run_trial(Recipe("uint8"))
        if best.meets(self._objective):
            return best
        self._run_trial(self._by_name(RECIPES["int8"]))  # a good recipe in case the time ends soon
        for method in METHODS[1:]:
            best = min(best, self._run_trial(Recipe("uint8", method=method)), key=_loss)
        for alpha in _ALPHAS:
            best = min(best, self._run_trial(replace(best.recipe, alpha=alpha)), key=_loss)
        return best

    def _ladder(self, base: Trial, alternative: str) -> list[Recipe]:
        """The recipes from the base upwards, each with one more refinement."""
        refinements = self._refinements(base.recipe, alternative)
        gains = self._gains(base, refinements)
        worth = {
            refinement: gains[refinement] / max(self._added(base.recipe, refinement), 1e-9)
            for refinement in refinements
        }
        refinements.sort(key=lambda refinement: -worth[refinement])
        if alternative == "fp32":  # an int8 encoder keeps one layer in 8 bits
            last = next(refinement for refinement in reversed(refinements) if refinement.names)
            refinements.remove(last)
        rungs = [base.recipe]
        for refinement in refinements:
            rungs.append(refinement.apply(rungs[-1]))
        return rungs

    def _refinements(self, recipe: Recipe, alternative: str) -> list[Refinement]:
        """A refinement of each layer, and one of the embeddings if they are in 8 bits."""
        refinements = [Refinement(frozenset({one.name}), alternative) for one in self._layers]
        return [*refinements, Refinement(frozenset(), "fp32")] if recipe.embeddings else refinements

    def _gains(self, base: Trial, refinements: Sequence[Refinement]) -> dict[Refinement, float]:
        """What each refinement gains alone; if time is short, its share of the gain of its kind."""
        gains: dict[Refinement, float] = {}
        single = [refinement for refinement in refinements if refinement.names]
        for kind in KINDS:
            names = frozenset(one.name for one in self._layers if one.kind == kind)
            whole = Refinement(names, single[0].to)
            gain = base.loss - self._run_trial(whole.apply(base.recipe)).loss
            gains.update({refinement: gain / len(names) for refinement in single if refinement.names <= names})
        for refinement in refinements:
            if not refinement.names:
                gains[refinement] = base.loss - self._run_trial(refinement.apply(base.recipe)).loss
        for refinement in single:
            if self._elapsed() >= _MEASURING:
                break
            gains[refinement] = base.loss - self._run_trial(refinement.apply(base.recipe)).loss
        return gains

    def _lowest(self, rungs: Sequence[Recipe]) -> None:
        """Bisect between a lowest rung that misses the objective and a top rung that meets it."""
        low, high = 0, len(rungs) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._run_trial(rungs[middle]).meets(self._objective):
                high = middle
            else:
                low = middle

    def _added(self, recipe: Recipe, refinement: Refinement) -> float:
        return self._costs.cost(refinement.apply(recipe)) - self._costs.cost(recipe)

    def _by_name(self, recipe: Recipe) -> Recipe:
        """The same recipe with its layers named one by one."""
        return replace(recipe, activations_16bit=frozenset(one.name for one in self._layers if recipe.is_16bit(one)))


def select(trials: Sequence[Trial], costs: Costs, objective: SearchObjective) -> Trial:
    """The cheapest trial that meets an objective, or the closest if none does."""
    meeting = [trial for trial in trials if trial.meets(objective)]
    if meeting:
        return min(meeting, key=lambda trial: (costs.cost(trial.recipe), -trial.lower_bound(objective)))
    return max(trials, key=lambda trial: (trial.lower_bound(objective), -costs.cost(trial.recipe)))


def _loss(trial: Trial) -> float:
    return trial.loss
