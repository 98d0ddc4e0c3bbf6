"""What one form of a model loses against another.

The definitions, where q runs over the queries and Top the k best of the reference or of the form that is measured:

- `cosine`: of the two vectors of each held-out item and each held-out user's profile.
- `agreement@k`: each held-out item asks for its neighbours among all other items, by cosine; the mean over q of
  |Top ∩ Top_reference| / k.
- `recommendations@10`: likewise for users, who ask for items they have not met, cold ones among all others.
- `kendall_tau`: of the two orders that a user's scores give the held-out items.
- `drift`: |difference| of a head's predictions; ratings as a share of their range.

Neighbours that are equally near, as remakes with the same title are, would make agreement a matter of chance: an item
counts as one of the reference's best if its score there reaches the k-th best up to `TIE`.
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

from .answers import Answers
from .exam import Exam

#: Scores nearer than this are the same; fp32 arithmetic in another order differs by a tenth of it.
TIE: Final = 1e-6
_KS: Final = (1, 10, 100)


def quality(answers: Answers, exam: Exam) -> dict[str, Any]:
    """What a model is worth: ranking quality by scenario, and how far its probabilities are off (ECE)."""
    return {
        **{
            measure: {name: float(values.mean()) for name, values in _per_query(answers, exam, measure).items()}
            for measure in ("ndcg@10", "recall@10")
        },
        "ece": _calibration_error(answers, exam),
    }


def compare(found: Answers, reference: Answers, exam: Exam) -> dict[str, Any]:
    """Measure a form of a model against the reference; see the module for the definitions.

    Args:
        found: the form's answers, without fault.
        reference: the reference's.
        exam: what both were asked.

    Returns:
        Measures by name, fit for JSON; the report's ``measured``.
    """
    cosine = _cosines(found, reference, exam)
    neighbours = _neighbours(found, exam), _neighbours(reference, exam)
    tau = [_tau(ours, theirs) for ours, theirs in zip(found.rankings[0], reference.rankings[0], strict=True)]
    return {
        "cosine": {"mean": float(cosine.mean()), "min": float(cosine.min())},
        **{f"agreement@{k}": agreement(*neighbours, k) for k in _KS},
        "recommendations@10": agreement(
            unmet(found.recommendations, exam.recommendations),
            unmet(reference.recommendations, exam.recommendations),
            10,
        ),
        "kendall_tau": {"mean": float(np.mean(tau)), "min": float(np.min(tau))},
        **{measure: _ratios(found, reference, exam, measure) for measure in ("ndcg@10", "recall@10")},
        "drift": _drift(found, reference, exam),
        "ece": _calibration_error(found, exam),
    }


def agreement(found: Floats, reference: Floats, k: int) -> float:
    """The mean of `agreements`."""
    return float(agreements(found, reference, k).mean())


def agreements(found: Floats, reference: Floats, k: int) -> NDArray[np.float64]:
    """The share of each query's k best that are among the reference's k best, or as good there.

    Args:
        found: (Q, C) scores; −∞ where a candidate is no candidate.
        reference: (Q, C) likewise.
        k: at most C.

    Returns:
        (Q,).
    """
    k = min(k, found.shape[1])
    best = np.argpartition(-found, k - 1, axis=1)[:, :k]
    last = -np.partition(-reference, k - 1, axis=1)[:, k - 1 : k]  # (Q, 1) the reference's k-th best
    shares: NDArray[np.float64] = (np.take_along_axis(reference, best, axis=1) >= last - TIE).mean(axis=1)
    return shares


def _tau(found: Floats, reference: Floats) -> float:
    """Kendall's τ-b of two rows of scores; 0 where one of them does not order anything."""
    tau = float(kendalltau(found, reference).statistic)
    return 0.0 if math.isnan(tau) else tau


def _cosines(found: Answers, reference: Answers, exam: Exam) -> NDArray[np.float64]:
    items = np.flatnonzero(exam.split.cold_items)
    users = np.flatnonzero(exam.split.cold_users)
    ours = np.concatenate([found.vectors.items[items], found.vectors.profiles[users]]).astype(np.float64)
    theirs = np.concatenate([reference.vectors.items[items], reference.vectors.profiles[users]]).astype(np.float64)
    known = theirs.any(axis=1)  # an empty profile has no vector
    ours, theirs = ours[known], theirs[known]
    length = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return np.asarray((ours * theirs).sum(axis=1) / np.maximum(length, 1e-12))


def _neighbours(answers: Answers, exam: Exam) -> Floats:
    """How near each item (C) is to each held-out one (Q), itself left out."""
    asked = np.flatnonzero(exam.split.cold_items)
    near: Floats = answers.vectors.items[asked] @ answers.vectors.items.T
    near[np.arange(len(asked)), asked] = -np.inf
    return near


def unmet(scores: Floats, scenario: Scenario) -> Floats:
    """Scores (Q, C), −∞ for what a user has met before."""
    left = scores.copy()
    for row, known in enumerate(scenario.known):
        left[row, np.searchsorted(scenario.candidates, known)] = -np.inf
    return left


def _per_query(answers: Answers, exam: Exam, measure: str) -> dict[str, NDArray[np.float64]]:
    def pick(evaluation: Evaluation) -> NDArray[np.float64]:
        return evaluation.ndcg[10] if measure == "ndcg@10" else evaluation.recall[10]

    pairs = zip(exam.rankings, answers.rankings, strict=True)
    return {scenario.name: pick(evaluate(scenario, scores, ks=(10,))) for scenario, scores in pairs}


def _ratios(found: Answers, reference: Answers, exam: Exam, measure: str) -> dict[str, Any]:
    ours, theirs = _per_query(found, exam, measure), _per_query(reference, exam, measure)
    ratios: dict[str, Any] = {}
    for name, values in ours.items():
        ratios[name] = {"value": float(values.mean()), "ratio": None, "interval": None}
        if theirs[name].mean() > 0:
            interval = paired_interval(values, theirs[name], "ratio")
            # With few queries, samples may hold none that the reference answers: the ratio has no upper bound then.
            high = interval.high if np.isfinite(interval.high) else None
            ratios[name].update(ratio=interval.estimate, interval=[interval.low, high])
    return ratios


def _drift(found: Answers, reference: Answers, exam: Exam) -> dict[str, dict[str, float]]:
    drift: dict[str, dict[str, float]] = {}
    for name, predicted in found.heads.items():
        if predicted.size:  # data without labels has no attributes to predict
            away = np.abs(predicted.astype(np.float64) - reference.heads[name])
            if name == "rating":
                away /= _rating_range(exam.dataset)
            drift[name] = {"mean": float(away.mean()), "worst": float(away.max())}
    return drift


def _rating_range(dataset: Dataset) -> float:
    ratings = dataset.interactions.rating
    known = ratings[~np.isnan(ratings)]
    return float(np.ptp(known)) or 1.0 if len(known) else 1.0


def _calibration_error(answers: Answers, exam: Exam) -> float | None:
    """None without pairs."""
    if not len(exam.pairs):
        return None
    liked = exam.dataset.interactions.take(exam.pairs).positive
    return expected_calibration_error(answers.heads["probability"], liked)
