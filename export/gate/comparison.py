"""What one form of a model loses against the reference.

- `cosine`: the cosine of the two vectors of each held-out item and each held-out user's profile.
- `agreement@k`: each held-out item is a query for its neighbours among all other items, by cosine. The measure is the
  mean over queries of |top k ∩ the reference's top k| / k.
- `recommendations@10`: the same for users, who are recommended items that are new to them, cold and warm ones.
- `kendall_tau`: Kendall's τ between the two orders in which a user's scores rank the held-out items.
- `drift`: the absolute difference of a head's predictions; of ratings, as a share of their range.

Items may be equally near, such as remakes with the same title, and their order is then arbitrary. An item therefore
counts as one of the reference's top k if its score there reaches the k-th best within `TIE`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from emberline.engine.records import Floats
from emberline.export.data.records import Dataset
from emberline.export.evaluation.bootstrap import paired_interval
from emberline.export.evaluation.calibration import expected_calibration_error
from emberline.export.evaluation.evaluation import Evaluation, evaluate
from emberline.export.evaluation.scenarios import Scenario

from .holdout import HoldoutSet
from .predictions import Predictions

#: Scores that differ by less are equal; reordering fp32 arithmetic changes them by a tenth of it.
TIE: Final = 1e-6
_KS: Final = (1, 10, 100)


def quality(predictions: Predictions, holdout: HoldoutSet) -> dict[str, Any]:
    """The ranking quality by scenario, and the calibration error of the probabilities (ECE)."""
    return {
        **{
            measure: {name: float(values.mean()) for name, values in _per_query(predictions, holdout, measure).items()}
            for measure in ("ndcg@10", "recall@10")
        },
        "ece": _calibration_error(predictions, holdout),
    }


def compare(measured: Predictions, reference: Predictions, holdout: HoldoutSet) -> dict[str, Any]:
    """Measure a form of a model against the reference; see the module for the definitions.

    Args:
        measured: the form's predictions; they are valid.
        reference: the reference's predictions.
        holdout: what both were made on.

    Returns:
        Measures by name, ready for JSON; the report's ``measured``.
    """
    cosine = _cosines(measured, reference, holdout)
    neighbours = _neighbours(measured, holdout), _neighbours(reference, holdout)
    shares = {f"agreement@{k}": agreements(*neighbours, k) for k in _KS}
    shares["recommendations@10"] = agreements(
        unmet(measured.recommendations, holdout.recommendations),
        unmet(reference.recommendations, holdout.recommendations),
        10,
    )
    tau = [_tau(ours, theirs) for ours, theirs in zip(measured.rankings[0], reference.rankings[0], strict=True)]
    return {
        "cosine": {"mean": float(cosine.mean()), "min": float(cosine.min())},
        **{name: float(values.mean()) for name, values in shares.items()},
        "intervals": {name: _interval(shares[name]) for name in ("agreement@10", "recommendations@10")},
        "kendall_tau": {"mean": float(np.mean(tau)), "min": float(np.min(tau))},
        **{measure: _ratios(measured, reference, holdout, measure) for measure in ("ndcg@10", "recall@10")},
        "drift": _drift(measured, reference, holdout),
        "ece": _calibration_error(measured, holdout),
    }


def agreement(scores: Floats, reference: Floats, k: int) -> float:
    """The mean of `agreements`."""
    return float(agreements(scores, reference, k).mean())


def agreements(scores: Floats, reference: Floats, k: int) -> NDArray[np.float64]:
    """The share of each query's top k that is in the reference's top k, or ties with it.

    Args:
        scores: (Q, C) scores; −∞ for items that are not candidates.
        reference: (Q, C) scores of the reference, likewise.
        k: at most C.

    Returns:
        (Q,).
    """
    k = min(k, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    last = -np.partition(-reference, k - 1, axis=1)[:, k - 1 : k]  # (Q, 1) the reference's k-th best
    shares: NDArray[np.float64] = (np.take_along_axis(reference, best, axis=1) >= last - TIE).mean(axis=1)
    return shares


def _interval(values: NDArray[np.float64]) -> list[float]:
    """Bounds of the mean of a measure's values, one a query, by the bootstrap."""
    interval = paired_interval(values, np.zeros_like(values), "difference")
    return [interval.low, interval.high]


def _tau(scores: Floats, reference: Floats) -> float:
    """Kendall's τ-b of two rows of scores; 0 if one of them is constant."""
    tau = float(kendalltau(scores, reference).statistic)
    return 0.0 if math.isnan(tau) else tau


def _cosines(measured: Predictions, reference: Predictions, holdout: HoldoutSet) -> NDArray[np.float64]:
    items = np.flatnonzero(holdout.split.cold_items)
    users = np.flatnonzero(holdout.split.cold_users)
    ours = np.concatenate([measured.vectors.items[items], measured.vectors.profiles[users]]).astype(np.float64)
    theirs = np.concatenate([reference.vectors.items[items], reference.vectors.profiles[users]]).astype(np.float64)
    known = theirs.any(axis=1)  # an empty profile has no vector
    ours, theirs = ours[known], theirs[known]
    length = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return np.asarray((ours * theirs).sum(axis=1) / np.maximum(length, 1e-12))


def _neighbours(predictions: Predictions, holdout: HoldoutSet) -> Floats:
    """The similarity of each item (C) to each held-out item (Q), −∞ for the item itself."""
    queries = np.flatnonzero(holdout.split.cold_items)
    near: Floats = predictions.vectors.items[queries] @ predictions.vectors.items.T
    near[np.arange(len(queries)), queries] = -np.inf
    return near


def unmet(scores: Floats, scenario: Scenario) -> Floats:
    """Scores (Q, C), −∞ for items that a user already knows."""
    left = scores.copy()
    for row, known in enumerate(scenario.known):
        left[row, np.searchsorted(scenario.candidates, known)] = -np.inf
    return left


def _per_query(predictions: Predictions, holdout: HoldoutSet, measure: str) -> dict[str, NDArray[np.float64]]:
    def pick(evaluation: Evaluation) -> NDArray[np.float64]:
        return evaluation.ndcg[10] if measure == "ndcg@10" else evaluation.recall[10]

    pairs = zip(holdout.rankings, predictions.rankings, strict=True)
    return {scenario.name: pick(evaluate(scenario, scores, ks=(10,))) for scenario, scores in pairs}


def _ratios(measured: Predictions, reference: Predictions, holdout: HoldoutSet, measure: str) -> dict[str, Any]:
    ours, theirs = _per_query(measured, holdout, measure), _per_query(reference, holdout, measure)
    ratios: dict[str, Any] = {}
    for name, values in ours.items():
        ratios[name] = {"value": float(values.mean()), "ratio": None, "interval": None}
        if theirs[name].mean() > 0:
            interval = paired_interval(values, theirs[name], "ratio")
            # With few queries, the reference may score 0 in a bootstrap sample: the ratio then has no upper bound.
            high = interval.high if np.isfinite(interval.high) else None
            ratios[name].update(ratio=interval.estimate, interval=[interval.low, high])
    return ratios


def _drift(measured: Predictions, reference: Predictions, holdout: HoldoutSet) -> dict[str, dict[str, float]]:
    drift: dict[str, dict[str, float]] = {}
    for name, predicted in measured.heads.items():
        if predicted.size:  # data without labels has no attributes to predict
            away = np.abs(predicted.astype(np.float64) - reference.heads[name])
            if name == "rating":
                away /= _rating_range(holdout.dataset)
            drift[name] = {"mean": float(away.mean()), "worst": float(away.max())}
    return drift


def _rating_range(dataset: Dataset) -> float:
    ratings = dataset.interactions.rating
    known = ratings[~np.isnan(ratings)]
    return float(np.ptp(known)) or 1.0 if len(known) else 1.0


def _calibration_error(predictions: Predictions, holdout: HoldoutSet) -> float | None:
    """The ECE of the probabilities; None without pairs."""
    if not len(holdout.pairs):
        return None
    liked = holdout.dataset.interactions.take(holdout.pairs).positive
    return expected_calibration_error(predictions.heads["probability"], liked)
