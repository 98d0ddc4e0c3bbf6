"""How well the reference, each precision and the simplest baselines rank in the scenarios of cold start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.bench.harness.variants import PYTORCH, in_process
from emberline.export.baselines.baseline import Baseline
from emberline.export.baselines.material import BaselineData
from emberline.export.baselines.popular import LabelPopularity, Popularity, Random
from emberline.export.evaluation.bootstrap import Interval, paired_interval
from emberline.export.evaluation.evaluation import Evaluation, evaluate
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.gate.predictions import Predictions

from .settings import RecallSettings

_K: Final = 10


@dataclass(frozen=True, slots=True)
class VariantRanking:
    """How well one variant ranks in one scenario."""

    scenario: str  # its name.
    variant: str  # the variant's name.
    precision: str  # the encoder's precision; empty for a baseline.
    kind: str  # ``reference``, ``precision`` or ``baseline``.
    ndcg_at_10: float  # mean over the users.
    recall_at_10: float  # mean over the users.
    #: as a share of the reference's, with its paired bootstrap interval; None for the reference itself, or where
    #: the reference's is 0.
    ndcg_kept: Interval | None
    recall_kept: Interval | None  # the same for Recall@10.


def rankings(
    holdout: HoldoutSet, reference: Predictions, predictions: Mapping[str, Predictions], settings: RecallSettings
) -> Iterator[VariantRanking]:
    """Rank in every scenario of the holdout, and compare with the reference user by user."""
    material = BaselineData.of(holdout.dataset, holdout.split)
    baselines: dict[str, Baseline] = {
        "label popularity": LabelPopularity(),
        "popularity": Popularity(),
        "random": Random(settings.seed),
    }
    for place, scenario in enumerate(holdout.rankings):
        asked = [(PYTORCH, "fp32", "reference", reference.rankings[place])]
        asked += [(in_process(name), name, "precision", given.rankings[place]) for name, given in predictions.items()]
        for name, baseline in baselines.items():
            asked.append((name, "", "baseline", baseline.fit(material).score(scenario, material.content)))
        base: Evaluation | None = None
        for variant, precision, kind, scores in asked:
            found = evaluate(scenario, scores, ks=(_K,))
            yield VariantRanking(
                scenario=found.scenario,
                variant=variant,
                precision=precision,
                kind=kind,
                ndcg_at_10=float(found.ndcg[_K].mean()),
                recall_at_10=float(found.recall[_K].mean()),
                ndcg_kept=_kept(found.ndcg[_K], base.ndcg[_K], settings) if base else None,
                recall_kept=_kept(found.recall[_K], base.recall[_K], settings) if base else None,
            )
            base = base or found


def _kept(ours: NDArray[np.float64], theirs: NDArray[np.float64], settings: RecallSettings) -> Interval | None:
    if theirs.mean() == 0:
        return None
    return paired_interval(ours, theirs, "ratio", level=settings.level, seed=settings.seed)
