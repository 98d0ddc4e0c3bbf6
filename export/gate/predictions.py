"""What one form of a model predicts on the holdout set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.records import Floats
from emberline.export.predictor import Predictor
from emberline.export.training.measure import DatasetVectors, predictions, scores, user_inputs

from .holdout import HoldoutSet

#: The heads whose drift is measured.
HEADS: Final = ("item_attributes", "user_attributes", "probability", "rating")
#: Those of them that are probabilities.
PROBABILITIES: Final = HEADS[:3]


@dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions of one form of a model.

    Attributes:
        vectors: the vectors of every item and every profile.
        rankings: the scores (Q, C) of each scenario, in the order of the holdout set.
        recommendations: the scores (Q, C) of the recommendations.
        heads: what each of `HEADS` predicts for held-out items, users and pairs: (N, labels) for attributes, (N,) for
            the others.
    """

    vectors: DatasetVectors
    rankings: tuple[Floats, ...]
    recommendations: Floats
    heads: Mapping[str, Floats]

    def fault(self) -> str:
        """Why the predictions are invalid; empty if they are valid."""
        arrays = [self.vectors.items, self.vectors.profiles, *self.rankings, self.recommendations, *self.heads.values()]
        if not all(bool(np.isfinite(array).all()) for array in arrays):
            return "gives values that are infinite or not a number"
        for name in PROBABILITIES:
            if ((self.heads[name] < 0) | (self.heads[name] > 1)).any():
                return f"gives values of {name} that are not within 0 and 1"
        return ""


def predict(model: Predictor, holdout: HoldoutSet) -> Predictions:
    """Run a model on the holdout set."""
    vectors = DatasetVectors.of(model, holdout.dataset)
    _, _, item_attributes = model.item(vectors.items[holdout.split.cold_items])
    scenario = holdout.rankings[-1]
    _, user_attributes = model.user(*user_inputs(model, vectors, scenario.users, scenario.history))
    probability, rating = predictions(model, vectors, holdout.dataset, holdout.split, holdout.pairs)
    return Predictions(
        vectors,
        tuple(scores(model, vectors, scenario) for scenario in holdout.rankings),
        scores(model, vectors, holdout.recommendations),
        dict(zip(HEADS, (item_attributes, user_attributes, probability, rating), strict=True)),
    )
