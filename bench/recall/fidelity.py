"""How faithful a precision's vectors, orders and scores are to the reference's, by the gate's measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from emberline.bench.harness.variants import in_process
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.gate.predictions import Predictions

#: Where the distribution of the scores' drift is read off.
SHARES: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How faithful a variant's vectors and orders are, as `emberline.export.gate.comparison` measures it."""

    variant: str  # the variant's name.
    precision: str  # the encoder's precision.
    texts: int  # items that asked for their neighbours.
    cosine_mean: float  # mean cosine of held-out items' and profiles' vectors.
    cosine_minimum: float  # least cosine of the same vectors.
    agreement_at_1: float  # agreement of items' nearest neighbours; likewise at 10 and 100.
    agreement_at_10: float
    agreement_at_100: float
    recommendations_at_10: float  # agreement of users' top 10 over the whole catalogue.
    kendall_tau_mean: float  # mean Kendall's τ of the orders of held-out items.
    kendall_tau_minimum: float  # τ of the user that suffers most.
    calibration_error: float | None  # calibration error (ECE) of the probabilities; None without interactions.

    @classmethod
    def of(cls, precision: str, measured: Mapping[str, Any], holdout: HoldoutSet) -> Fidelity:
        """The gate's measures of one precision, see `compare`, in the result's terms."""
        return cls(
            variant=in_process(precision),
            precision=precision,
            texts=int(holdout.split.cold_items.sum()),
            cosine_mean=measured["cosine"]["mean"],
            cosine_minimum=measured["cosine"]["min"],
            agreement_at_1=measured["agreement@1"],
            agreement_at_10=measured["agreement@10"],
            agreement_at_100=measured["agreement@100"],
            recommendations_at_10=measured["recommendations@10"],
            kendall_tau_mean=measured["kendall_tau"]["mean"],
            kendall_tau_minimum=measured["kendall_tau"]["min"],
            calibration_error=measured["ece"],
        )


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one output of a variant lies from the reference's, absolute."""

    variant: str  # the variant's name.
    precision: str  # the encoder's precision.
    #: ``score`` in standard deviations of the reference's scores, ``rating`` as a share of the ratings' range, the
    #: others as probabilities.
    output: str
    mean: float  # mean difference over all predictions.
    maximum: float  # largest difference over all predictions.
    #: of the score, each a share of all values and what they do not exceed; none of the others.
    quantiles: tuple[tuple[float, float], ...] = ()


def drifts(precision: str, measured: Mapping[str, Any], found: Predictions, reference: Predictions) -> Iterator[Drift]:
    """How far the ranking score lies from the reference's, and, by the gate's measure, each head."""
    name = in_process(precision)
    away = np.concatenate(
        [
            # In standard deviations, because a difference of scores says nothing by itself.
            (np.abs(ours.astype(np.float64) - theirs) / theirs.std()).ravel()
            for ours, theirs in zip(found.rankings, reference.rankings, strict=True)
        ]
    )
    quantiles = tuple(zip(SHARES, np.quantile(away, SHARES).tolist(), strict=True))
    yield Drift(name, precision, "score", float(away.mean()), float(away.max()), quantiles)
    for head, drift in measured["drift"].items():
        yield Drift(name, precision, head, drift["mean"], drift["worst"])
