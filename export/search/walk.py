"""What a search tries, from cheap to fine.

1. All inputs in 8 bits, with each method of taking ranges and some strengths of smoothing: they cost nothing.
2. Each layer finer alone: what it gains and what it costs. Losses of layers add up, nearly.
3. The ladder: one layer after another is made finer, the one that gains most for its cost first. The lowest rung that
   holds is found by halving.
4. Where even the top does not hold, the same from there with layers that stay fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from emberline.export.precision.linears import KINDS, LinearGroup
from emberline.export.precision.recipe import METHODS, RECIPES, Recipe

from .costs import Costs
from .target import Target
from .trial import Trial

#: The strengths of smoothing that are tried for all layers, beside the one that suits each layer's statistics best.
_ALPHAS: Final = (0.5, 0.7)
#: Of the time, what may be gone when single layers are still measured; the rest is for the ladder.
_MEASURING: Final = 0.6

#: Gives the trial of a recipe; raises `TimeIsUp` where it would have to be made after the time.
Attempt = Callable[[Recipe], Trial]


class TimeIsUp(Exception):
    """No trial may be started any more; the search takes what it has."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a recipe.

    Attributes:
        names: of the layers that it makes finer; none: the word embeddings become fp32.
        to: ``fine`` or ``fp32``.
    """

    names: frozenset[str]
    to: str

    def after(self, recipe: Recipe) -> Recipe:
        """The recipe with that change."""
        if not self.names:
            return replace(recipe, embeddings=False)
        if self.to == "fine":
            return replace(recipe, activations_16bit=recipe.activations_16bit | self.names)
        return replace(recipe, activations_16bit=recipe.activations_16bit - self.names, fp32=recipe.fp32 | self.names)


class Walk:
    """One search."""

    def __init__(
        self, layers: Sequence[LinearGroup], costs: Costs, target: Target, attempt: Attempt, gone: Callable[[], float]
    ) -> None:
        """Prepare.

        Args:
            layers: of the encoder.
            costs: of its forms.
            target: what must be held.
            attempt: makes a trial.
            gone: the share of the time that is gone.
        """
        self._layers, self._costs, self._target = layers, costs, target
        self._attempt, self._gone = attempt, gone

    def run(self) -> None:
        """Try until the cheapest rung that holds is known, or there is nothing more to try.

        Raises:
            TimeIsUp: before that.
        """
        base = self._base()
        if base.holds(self._target):
            return
        for finer in self._costs.alternatives:
            rungs = self._ladder(base, finer)
            top = self._attempt(rungs[-1])
            if top.holds(self._target):
                self._lowest(rungs)
                return
            base = top

    def _base(self) -> Trial:
        """The best of those that cost least; whatever holds of them is enough."""
        best = self._attempt(Recipe("uint8"))
        if best.holds(self._target):
            return best
        self._attempt(self._by_name(RECIPES["int8"]))  # something good, should the time end soon
        for method in METHODS[1:]:
            best = min(best, self._attempt(Recipe("uint8", method=method)), key=_loss)
        for alpha in _ALPHAS:
            best = min(best, self._attempt(replace(best.recipe, alpha=alpha)), key=_loss)
        return best

    def _ladder(self, base: Trial, finer: str) -> list[Recipe]:
        """From the base, one step more each."""
        steps = self._steps(base.recipe, finer)
        gains = self._gains(base, steps)
        worth = {step: gains[step] / max(self._added(base.recipe, step), 1e-9) for step in steps}
        steps.sort(key=lambda step: -worth[step])
        if finer == "fp32":  # an int8 encoder keeps one layer in 8 bits
            last = next(step for step in reversed(steps) if step.names)
            steps.remove(last)
        rungs = [base.recipe]
        for step in steps:
            rungs.append(step.after(rungs[-1]))
        return rungs

    def _steps(self, recipe: Recipe, finer: str) -> list[Step]:
        """A step for each layer, and one for the embeddings if they are in 8 bits."""
        steps = [Step(frozenset({one.name}), finer) for one in self._layers]
        return [*steps, Step(frozenset(), "fp32")] if recipe.embeddings else steps

    def _gains(self, base: Trial, steps: Sequence[Step]) -> dict[Step, float]:
        """What each step gains alone; where time is short, its share of what its kind gains."""
        gains: dict[Step, float] = {}
        single = [step for step in steps if step.names]
        for kind in KINDS:
            names = frozenset(one.name for one in self._layers if one.kind == kind)
            whole = Step(names, single[0].to)
            gain = base.loss - self._attempt(whole.after(base.recipe)).loss
            gains.update({step: gain / len(names) for step in single if step.names <= names})
        for step in steps:
            if not step.names:
                gains[step] = base.loss - self._attempt(step.after(base.recipe)).loss
        for step in single:
            if self._gone() >= _MEASURING:
                break
            gains[step] = base.loss - self._attempt(step.after(base.recipe)).loss
        return gains

    def _lowest(self, rungs: Sequence[Recipe]) -> None:
        """Halve between a lowest rung that does not hold and a top that does."""
        low, high = 0, len(rungs) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._attempt(rungs[middle]).holds(self._target):
                high = middle
            else:
                low = middle

    def _added(self, recipe: Recipe, step: Step) -> float:
        return self._costs.cost(step.after(recipe)) - self._costs.cost(recipe)

    def _by_name(self, recipe: Recipe) -> Recipe:
        """A recipe whose layers are named one by one."""
        return replace(recipe, activations_16bit=frozenset(one.name for one in self._layers if recipe.is_16bit(one)))


def choose(trials: Sequence[Trial], costs: Costs, target: Target) -> Trial:
    """The cheapest trial that holds a target; the one that comes nearest if none does."""
    holding = [trial for trial in trials if trial.holds(target)]
    if holding:
        return min(holding, key=lambda trial: (costs.cost(trial.recipe), -trial.sure(target)))
    return max(trials, key=lambda trial: (trial.sure(target), -costs.cost(trial.recipe)))


def _loss(trial: Trial) -> float:
    return trial.loss
