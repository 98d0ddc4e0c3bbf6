"""Ridge regression from what items say of themselves to their factors: how a factor model takes in a new item.

Gantner et al., "Learning Attribute-to-Feature Mappings for Cold-Start Recommendations", ICDM 2010.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np
from sklearn.linear_model import Ridge

from emberline.export.evaluation.scenarios import Scenario

from .als import Als, AlsFactors
from .baseline import Scores, has_history
from .content import Content
from .material import BaselineData, Mask
from .spaces import FittedSpace, Matrix, Space, dense

#: Values up to which a sparse matrix is unfolded: solved directly, not by iteration, it is exact and many times faster.
_UNFOLDED: Final = 120_000_000


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
        if self.als not in material.shared:
            material.shared[self.als] = self.als.fit(material)
        factors: AlsFactors = material.shared[self.als]
        layout = self.space.fit(material.content, material.warm_items)
        liked = np.flatnonzero(material.popularity() > 0)
        features = _small(layout.place(material.content).documents[liked])
        regression = Ridge(alpha=self.penalty).fit(features, factors.items[liked])
        return PredictedFactors(factors, layout, regression, material.warm_items)

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where likes are known and a candidate is new: for the others it is ALS."""
        return has_history(scenario) and not bool(warm_items[scenario.candidates].all())


@dataclass(frozen=True, slots=True)
class PredictedFactors:
    """A fitted regression.

    Attributes:
        factors: of the items of training.
        layout: the space.
        regression: from the space to the factors.
        warm_items: (I,) those of training.
    """

    factors: AlsFactors
    layout: FittedSpace
    regression: Ridge
    warm_items: Mask

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        features = _small(self.layout.place(content).documents[scenario.candidates])
        predicted = np.asarray(self.regression.predict(features), dtype=np.float32)  # (C, factors)
        known = self.warm_items[scenario.candidates][:, None]
        items = np.where(known, self.factors.items[scenario.candidates], predicted)
        return self.factors.users(scenario) @ items.T


def _small(features: Matrix) -> Matrix:
    return dense(features) if features.shape[0] * features.shape[1] <= _UNFOLDED else features
