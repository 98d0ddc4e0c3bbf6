"""Ridge regression from what items say of themselves to their factors: how a factor model takes in a new item.

Gantner et al., "Learning Attribute-to-Feature Mappings for Cold-Start Recommendations", ICDM 2010.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from emberline.export.evaluation.scenarios import Scenario

from .als import Als, AlsFactors
from .baseline import Scores, has_history
from .content import Content
from .material import BaselineData, Mask
from .placed import PlacedSpace
from .regression import LinearMap, Regression
from .spaces import FittedSpace, Space


@dataclass(frozen=True, slots=True)
class RidgeToAls:
    """ALS for the items of training, predicted factors for new ones.

    Attributes:
        space: what the factors are predicted from.
        penalty: of the ridge regression.
        als: the factors.
    """

    reads_items: ClassVar[bool] = True
    reads_profile: ClassVar[bool] = False
    reads_history: ClassVar[bool] = True

    space: Space
    penalty: float = 1.0
    als: Als = field(default_factory=Als)

    def fit(self, material: BaselineData) -> PredictedFactors:
        """Fit ALS, and the regression to the factors of the items that somebody likes."""
        factors, layout = self.als.shared(material), PlacedSpace.of(material, self.space)
        liked = np.flatnonzero(material.popularity() > 0)
        known = material.shared.get(Regression)
        if known is None or known[0] != self.space:
            # One at a time: the products of all items take 4 bytes a pair.
            features = layout.place(material.content).documents[liked]
            known = material.shared[Regression] = self.space, Regression(features)
        predicted = known[1].fit(factors.items[liked], self.penalty)
        return PredictedFactors(factors, layout, predicted, material.warm_items)

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where likes are known and a candidate is new: for the others it is ALS."""
        return has_history(scenario) and not bool(warm_items[scenario.candidates].all())


@dataclass(frozen=True, slots=True)
class PredictedFactors:
    """A fitted regression.

    Attributes:
        factors: of the items of training.
        layout: the space.
        predicted: from the space to the factors.
        warm_items: (I,) those of training.
    """

    factors: AlsFactors
    layout: FittedSpace
    predicted: LinearMap
    warm_items: Mask

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        predicted = self.predicted.of(self.layout.place(content).documents[scenario.candidates])  # (C, factors)
        known = self.warm_items[scenario.candidates][:, None]
        items = np.where(known, self.factors.items[scenario.candidates], predicted)
        return self.factors.users(scenario) @ items.T
