"""A model's answers to an exam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.records import Floats
from emberline.export.predictor import Predictor
from emberline.export.training.measure import DatasetVectors, predictions, scores, user_inputs

from .exam import Exam

#: The heads whose drift is measured.
HEADS: Final = ("item_attributes", "user_attributes", "probability", "rating")
#: Those of them that are probabilities.
PROBABILITIES: Final = HEADS[:3]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model says.

    Attributes:
        vectors: of every item and every profile.
        rankings: scores (Q, C) of each scenario, in the exam's order.
        recommendations: scores (Q, C).
        heads: of each of `HEADS`, its predictions for what was held out; attributes (N, labels), the others (N,).
    """

    vectors: DatasetVectors
    rankings: tuple[Floats, ...]
    recommendations: Floats
    heads: Mapping[str, Floats]

    def fault(self) -> str:
        """What makes them no answers at all; empty if nothing does."""
        arrays = [self.vectors.items, self.vectors.profiles, *self.rankings, self.recommendations, *self.heads.values()]
        if not all(bool(np.isfinite(array).all()) for array in arrays):
            return "gives values that are infinite or no numbers"
        for name in PROBABILITIES:
            if ((self.heads[name] < 0) | (self.heads[name] > 1)).any():
                return f"gives values of {name} that are not within 0 and 1"
        return ""


def examine(model: Predictor, exam: Exam) -> Answers:
    """Put an exam to a model."""
    vectors = DatasetVectors.of(model, exam.dataset)
    _, _, item_attributes = model.item(vectors.items[exam.split.cold_items])
    asked = exam.rankings[-1]
    _, user_attributes = model.user(*user_inputs(vectors, asked.users, asked.history))
    probability, rating = predictions(model, vectors, exam.dataset, exam.split, exam.pairs)
    return Answers(
        vectors,
        tuple(scores(model, vectors, scenario) for scenario in exam.rankings),
        scores(model, vectors, exam.recommendations),
        dict(zip(HEADS, (item_attributes, user_attributes, probability, rating), strict=True)),
    )
