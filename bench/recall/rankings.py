"""How well the reference, each precision and the simplest baselines rank in the scenarios of cold start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.bench.harness.lineup import PYTORCH, in_process
from emberline.bench.latency.settings import RecallSettings
from emberline.export.baselines.baseline import Baseline
from emberline.export.baselines.material import BaselineData
from emberline.export.baselines.popular import LabelPopularity, Popularity, Random
from emberline.export.evaluation.bootstrap import paired_interval
from emberline.export.evaluation.evaluation import Evaluation, evaluate
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.gate.predictions import Predictions

_K: Final = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """A figure as a share of the reference's, with its paired bootstrap interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well one variant ranks in one scenario.

    Attributes:
        scenario: its name.
        variant: the variant's name.
        precision: of the encoder; empty for a baseline.
        kind: ``reference``, ``precision`` or ``baseline``.
        ndcg_at_10: mean over the users.
        recall_at_10: mean over the users.
        ndcg_kept: of the reference's; None for the reference itself, or where the reference's is 0.
        recall_kept: the same.
    """

    scenario: str
    variant: str
    precision: str
    kind: str
    ndcg_at_10: float
    recall_at_10: float
    ndcg_kept: Kept | None
    recall_kept: Kept | None


def rankings(
    holdout: HoldoutSet, reference: Predictions, predictions: Mapping[str, Predictions], settings: RecallSettings
) -> list[Ranking]:
    """Rank in every scenario of the holdout set, and compare with the reference user by user.

    Args:
        holdout: its scenarios.
        reference: the reference's predictions.
        predictions: by precision.
        settings: of the intervals and the random baseline.
    """
    material = BaselineData.of(holdout.dataset, holdout.split)
    baselines: dict[str, Baseline] = {
        "label popularity": LabelPopularity(),
        "popularity": Popularity(),
        "random": Random(settings.seed),
    }
    found = []
    for place, scenario in enumerate(holdout.rankings):
        base = evaluate(scenario, reference.rankings[place], ks=(_K,))
        found.append(_ranking(base, None, PYTORCH, "fp32", "reference", settings))
        for precision, given in predictions.items():
            ranked = evaluate(scenario, given.rankings[place], ks=(_K,))
            found.append(_ranking(ranked, base, in_process(precision), precision, "precision", settings))
        for name, baseline in baselines.items():
            guessed = baseline.fit(material).score(scenario, material.content)
            ranked = evaluate(scenario, guessed, ks=(_K,))
            found.append(_ranking(ranked, base, name, "", "baseline", settings))
    return found


def _ranking(
    found: Evaluation, reference: Evaluation | None, variant: str, precision: str, kind: str, settings: RecallSettings
) -> Ranking:
    return Ranking(
        scenario=found.scenario,
        variant=variant,
        precision=precision,
        kind=kind,
        ndcg_at_10=float(found.ndcg[_K].mean()),
        recall_at_10=float(found.recall[_K].mean()),
        ndcg_kept=_kept(found.ndcg[_K], reference.ndcg[_K], settings) if reference else None,
        recall_kept=_kept(found.recall[_K], reference.recall[_K], settings) if reference else None,
    )


def _kept(ours: NDArray[np.float64], theirs: NDArray[np.float64], settings: RecallSettings) -> Kept | None:
    if theirs.mean() == 0:
        return None
    interval = paired_interval(ours, theirs, "ratio", level=settings.level, seed=settings.seed)
    return Kept(interval.estimate, interval.low, interval.high)
