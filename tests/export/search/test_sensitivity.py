from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest

from emberline.export.precision.linears import KINDS, LinearGroup
from emberline.export.precision.recipe import Recipe
from emberline.export.search.costs import Costs, RelativeTimes
from emberline.export.search.objective import SearchObjective
from emberline.export.search.sensitivity import OutOfTime, SensitivitySearch, select
from emberline.export.search.trial import Trial

MakeTrial = Callable[..., Trial]

LAYERS = [
    LinearGroup(f"layer.{place}.{kind}", kind, "", (), (), np.zeros((4, 8 if "ffn" in kind else 4), np.float32))
    for place in range(6)
    for kind in KINDS
]
NAMES = [one.name for one in LAYERS]
#: The loss of each layer in 8 bits: ffn_down loses by far the most, and later layers more.
LOSSES = {name: (10 if "ffn_down" in name else 1) * (1 + place) * 1e-5 for place, name in enumerate(NAMES)}


class TrialEncoder:
    """An encoder whose losses add up; 16 bits keep a tenth of a layer's loss, fp32 nothing."""

    def __init__(self, make_trial: MakeTrial, allowed: int = 1000) -> None:
        self.trials: dict[Recipe, Trial] = {}
        self._make_trial, self._allowed = make_trial, allowed

    def run(self, recipe: Recipe) -> Trial:
        """Measure a recipe, unless no trial is allowed any more."""
        if recipe not in self.trials:
            if len(self.trials) >= self._allowed:
                raise OutOfTime
            kept = {"minmax": 1.0, "percentile": 2.0, "entropy": 0.9}[recipe.method]
            loss = 1e-5 * recipe.embeddings
            for name in set(NAMES) - recipe.fp32:
                loss += LOSSES[name] * (0.1 if name in recipe.activations_16bit else kept)
            self.trials[recipe] = self._make_trial(recipe, 1 - 20 * loss, 1 - loss)
        return self.trials[recipe]


def _costs(fp32: float = 3.0) -> Costs:
    return Costs(RelativeTimes(2.0, fp32), {one.name: one.weight.size for one in LAYERS}, 100, 4 * 1000)


def _search(
    encoder: TrialEncoder, objective: SearchObjective, costs: Costs, elapsed: Callable[[], float] = lambda: 0.0
) -> Trial:
    with suppress(OutOfTime):
        SensitivitySearch(LAYERS, costs, objective, encoder.run, elapsed).run()
    return select(list(encoder.trials.values()), costs, objective)


def test_what_8_bits_hold_is_not_made_finer(make_trial: MakeTrial) -> None:
    """One trial is enough if 8-bit activations meet the objective."""
    encoder = TrialEncoder(make_trial)
    assert _search(encoder, SearchObjective("agreement", 0.5), _costs()).recipe == Recipe("uint8")
    assert len(encoder.trials) == 1


def test_another_range_is_cheaper_than_finer_layers(make_trial: MakeTrial) -> None:
    """A better method is free and is tried before more bits."""
    encoder = TrialEncoder(make_trial)
    plain, entropy = (encoder.run(Recipe("uint8", method=name)) for name in ("minmax", "entropy"))
    objective = SearchObjective("cosine", (plain.figures.cosine + entropy.figures.cosine) / 2)
    assert _search(encoder, objective, _costs()).recipe.method == "entropy"


def test_the_layers_that_gain_most_for_their_cost_are_made_finer_and_no_more(make_trial: MakeTrial) -> None:
    """Only the sensitive layers get 16 bits; without the last of them the objective is missed."""
    encoder, costs = TrialEncoder(make_trial), _costs()
    found = _search(encoder, objective := SearchObjective("agreement", 0.97), costs)
    assert found.meets(objective)
    assert {name for name in found.recipe.activations_16bit if "ffn_down" in name}
    assert not found.recipe.fp32
    least = min(found.recipe.activations_16bit, key=LOSSES.__getitem__)
    rest = Recipe(
        "uint8",
        activations_16bit=found.recipe.activations_16bit - {least},
        method=found.recipe.method,
        alpha=found.recipe.alpha,
    )
    assert not encoder.run(rest).meets(objective)
    assert all(
        costs.cost(found.recipe) <= costs.cost(one.recipe) for one in encoder.trials.values() if one.meets(objective)
    )


def test_where_16_bits_do_not_do_layers_stay_fp32(make_trial: MakeTrial) -> None:
    """As few layers as needed stay fp32, and never all of them."""
    encoder = TrialEncoder(make_trial)
    found = _search(encoder, objective := SearchObjective("agreement", 0.999), _costs())
    assert found.meets(objective)
    assert found.recipe.fp32
    assert all(one.recipe.fp32 != set(NAMES) for one in encoder.trials.values())


def test_16_bits_are_not_tried_where_fp32_is_faster(make_trial: MakeTrial) -> None:
    """Only the default recipe is tried with 16 bits where fp32 is faster."""
    encoder = TrialEncoder(make_trial)
    found = _search(encoder, objective := SearchObjective("agreement", 0.97), _costs(fp32=1.5))
    assert found.meets(objective)
    assert found.recipe.fp32
    assert sum(bool(one.recipe.activations_16bit) for one in encoder.trials.values()) == 1


def test_an_objective_that_nothing_holds_gives_the_nearest(make_trial: MakeTrial) -> None:
    """If nothing meets the objective, the closest trial of all is taken."""
    encoder = TrialEncoder(make_trial)
    found = _search(encoder, objective := SearchObjective("cosine", 1.0), _costs())
    assert not found.meets(objective)
    assert found.figures.cosine == max(one.figures.cosine for one in encoder.trials.values())


@pytest.mark.parametrize("allowed", [2, 8, 20])
def test_when_time_is_up_the_best_so_far_is_taken(make_trial: MakeTrial, allowed: int) -> None:
    """The default recipe is tried early, so that a good result exists when the time ends."""
    encoder = TrialEncoder(make_trial, allowed)
    found = _search(encoder, objective := SearchObjective("agreement", 0.95), _costs())
    assert len(encoder.trials) == allowed
    assert found.meets(objective)


def test_where_time_is_short_kinds_stand_for_their_layers(make_trial: MakeTrial) -> None:
    """If time is short, the ladder is built without a trial of every single layer."""
    slow, quick = TrialEncoder(make_trial), TrialEncoder(make_trial)
    objective = SearchObjective("agreement", 0.97)
    patient, hasty = _search(slow, objective, _costs()), _search(quick, objective, _costs(), elapsed=lambda: 0.7)
    assert hasty.meets(objective)
    assert len(quick.trials) < len(slow.trials) - 20
    assert patient.meets(objective)


def test_what_is_known_badly_must_reach_more(make_trial: MakeTrial) -> None:
    """A figure must exceed the objective by two standard errors."""
    objective = SearchObjective("agreement", 0.97)
    assert not make_trial(Recipe("uint8"), 0.975, error=0.003).meets(objective)
    assert make_trial(Recipe("uint8"), 0.977, error=0.003).meets(objective)
