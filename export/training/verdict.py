"""The verdict on a model: is it worth more than what takes seconds to fit?

Ridge regressions to ALS factors from words and from the untouched encoder stand for new items, what is popular in the
user's group and EASE for new users. Their settings are chosen on a split within the training rows, as a benchmark
would; then they are fitted to all training rows, and compared with the model on what the split holds out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from math import isfinite
from typing import Any, Final

import numpy as np

from emberline.engine.errors import DataError
from emberline.export.baselines.als import Als
from emberline.export.baselines.baseline import Baseline, answer
from emberline.export.baselines.contenders import Contender
from emberline.export.baselines.ease import Ease
from emberline.export.baselines.groups import GroupPopularity
from emberline.export.baselines.material import BaselineData, PretrainedVectors
from emberline.export.baselines.popular import Popularity
from emberline.export.baselines.ridge import RidgeToAls
from emberline.export.baselines.spaces import EncoderSpace, TfIdf
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.evaluation.bootstrap import paired_interval
from emberline.export.evaluation.evaluation import ndcg_at
from emberline.export.evaluation.groups import groupable
from emberline.export.evaluation.scenarios import Scenario, item_cold, user_cold
from emberline.export.predictor import Predictor

from .measure import DatasetVectors, scores
from .trained import Floats

#: What is compared, by the name of the part that the verdict gives it.
NEW_ITEMS: Final = "new items"
NEW_USERS: Final = "new users"
#: Before the name of what is compared, in a run's metrics.
VERDICT: Final = "verdict on "
#: Users who have to ask for a verdict to count.
FEWEST: Final = 100
#: Likes that are known of a new user: none, and some.
KNOWN: Final = (0, 5)
#: Factors, regularisation and confidence of ALS: for taste, and for how popular a new item becomes.
_FACTORS: Final = ((128, 20.0, 10.0), (32, 100.0, 10.0))
#: EASE inverts a matrix of all items: of more of them it would take minutes.
_INVERTED: Final = 8192
_K: Final = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """A model beside the best simple baseline in one scenario.

    Attributes:
        part: what is compared, e.g. ``new items``.
        model: the model's NDCG@10.
        baseline: the baseline's.
        name: the baseline.
        ratio: of the model's to the baseline's.
        low: of its interval, by a paired bootstrap over the users who ask.
        high: of its interval; infinite if the baseline could as well find nothing.
        queries: how many users ask.
    """

    part: str
    model: float
    baseline: float
    name: str
    ratio: float
    low: float
    high: float
    queries: int

    def sentence(self) -> str:
        """In a sentence."""
        change = f"{round(100 * abs(self.ratio - 1))} % {'better' if self.ratio >= 1 else 'worse'}"
        bounds = f"{_change(self.low)} to {_change(self.high)} %"
        return (
            f"{self.part} {self.model:.3f}, best simple baseline {self.baseline:.3f} ({self.name}): {change} ({bounds})"
        )

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a run's metrics and in a bundle's report."""
        return {
            "ndcg@10": self.model,
            "best baseline": self.baseline,
            "baseline": self.name,
            "ratio": self.ratio,
            "low": self.low,
            "high": self.high if isfinite(self.high) else None,
            "queries": self.queries,
            "in words": self.sentence(),
        }


def _change(ratio: float) -> str:
    return f"{round(100 * (ratio - 1)):+d}" if isfinite(ratio) else "any"


def judge(
    trained: Predictor,
    vectors: DatasetVectors,
    untouched: Floats,
    dataset: Dataset,
    split: Split,
) -> list[Verdict]:
    """Compare a model with simple baselines.

    Args:
        trained: the model.
        vectors: what it makes of the data set.
        untouched: (I, H) what the encoder made of the items before it was trained.
        dataset: the data set.
        split: what is held out.

    Returns:
        Nothing for scenarios that the data has not, or in which the baselines find nothing.
    """
    profiles = np.zeros((len(dataset.users), 0), np.float32)
    given = PretrainedVectors(untouched, profiles)
    seed = max(0, split.seed)  # a split by time has none
    try:
        within = replace(split, seed=seed).inner(dataset)
    except DataError:
        return []
    outer, inner = BaselineData.of(dataset, split, given), BaselineData.of(dataset, within, given)
    found = []
    for part, scenario, trial, lineup in _comparisons(dataset, split, within, outer, seed):
        best = _best(lineup, scenario, trial, outer, inner)
        if best is None:
            continue
        name, theirs = best
        ours = ndcg_at(scenario, scores(trained, vectors, scenario), _K)
        interval = paired_interval(ours.astype(np.float64), theirs.astype(np.float64), "ratio")
        values = float(ours.mean()), float(theirs.mean())
        bounds = interval.estimate, interval.low, interval.high
        found.append(Verdict(part, *values, name, *bounds, len(ours)))
    return found


def _comparisons(
    dataset: Dataset, split: Split, within: Split, material: BaselineData, seed: int
) -> Sequence[tuple[str, Scenario, Scenario, list[Contender]]]:
    """Name, scenario, the scenario to choose by, and who takes part."""
    found = []
    for part, make, rivals in (
        (NEW_ITEMS, item_cold, _for_items(seed)),
        *((_new_users(k), lambda data, by, k=k: user_cold(data, by, k), _for_users(material)) for k in KNOWN),
    ):
        try:
            found.append((part, make(dataset, split), make(dataset, within), rivals))
        except DataError:  # nothing of the kind is held out
            continue
    return found


def _new_users(known: int) -> str:
    return f"{NEW_USERS}, {known} likes known" if known else f"{NEW_USERS}, no like known"


def _for_items(seed: int) -> list[Contender]:
    factors = [Als(size, regularisation, confidence, seed=seed) for size, regularisation, confidence in _FACTORS]
    words, encoder = product(factors, (1.0, 3.0)), product(factors, (0.3, 1.0))
    return [
        Contender("ridge to ALS from words", tuple(RidgeToAls(TfIdf(), penalty, als) for als, penalty in words)),
        Contender(
            "ridge to ALS from the untouched encoder", tuple(RidgeToAls(EncoderSpace(), p, als) for als, p in encoder)
        ),
    ]


def _for_users(material: BaselineData) -> list[Contender]:
    fields = groupable(material.users, np.flatnonzero(material.warm_users))
    names = [some for size in (1, 2) for some in combinations(fields, size)]
    found = [Contender("popularity", (Popularity(),))]
    if names:
        found.append(Contender("popularity in the user's group", tuple(GroupPopularity(some, 30.0) for some in names)))
    if material.warm_items.sum() <= _INVERTED:
        found.append(Contender("EASE", (Ease(200.0), Ease(1000.0), Ease(4000.0))))
    return found


def _best(
    rivals: Sequence[Contender], scenario: Scenario, trial: Scenario, outer: BaselineData, inner: BaselineData
) -> tuple[str, Floats] | None:
    """The best rival's name and its NDCG@10 of each query; each takes the settings that are best within training."""
    best: tuple[str, Floats] | None = None
    for rival in rivals:
        grid = [one for one in rival.grid if one.answers(scenario, outer.warm_items)]
        if not grid:
            continue
        worth = [_ndcg(one, trial, inner).mean() for one in grid] if len(grid) > 1 else [0.0]
        found = _ndcg(grid[int(np.argmax(worth))], scenario, outer)
        if found.mean() > (0.0 if best is None else best[1].mean()):
            best = rival.name, found
    return best


def _ndcg(baseline: Baseline, scenario: Scenario, material: BaselineData) -> Any:
    fitted = baseline.fit(material)
    given = answer(baseline, fitted, scenario, material.content, material.popularity())
    return ndcg_at(scenario, given, _K)


def weak(metrics: Mapping[str, Any]) -> str:
    """Why a run's model should not be shipped, of the run's metrics; empty if nothing speaks against it."""
    found = metrics.get(f"{VERDICT}{NEW_ITEMS}")
    if found is None or found["queries"] < FEWEST or found["ratio"] >= 1:
        return ""
    return str(found["in words"])


def verdicts(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The verdicts among a run's metrics, by what is compared."""
    return {name.removeprefix(VERDICT): found for name, found in metrics.items() if name.startswith(VERDICT)}
