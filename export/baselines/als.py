"""Alternating least squares on implicit feedback, as `implicit` has it.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import threadpoolctl
from implicit.cpu.als import AlternatingLeastSquares

from emberline.engine.machine import cores
from emberline.export.evaluation.scenarios import Scenario

from .baseline import Scores, has_history, histories
from .content import Content
from .material import BaselineData, Mask


@dataclass(frozen=True, slots=True)
class Als:
    """The settings of ALS.

    Attributes:
        factors: of users and items.
        regularisation: higher is smoother.
        confidence: how much more a like counts than its absence.
        iterations: over users and items.
        seed: of the first factors.
    """

    reads_items: ClassVar[bool] = False
    reads_profile: ClassVar[bool] = False
    reads_history: ClassVar[bool] = True

    factors: int = 64
    regularisation: float = 20.0
    confidence: float = 10.0
    iterations: int = 15
    seed: int = 0

    def fit(self, material: BaselineData) -> AlsFactors:
        """Factorise the likes of training."""
        # implicit warns where BLAS would run threads of its own inside each of implicit's.
        with threadpoolctl.threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.regularisation,
                alpha=self.confidence,
                iterations=self.iterations,
                random_state=self.seed,
                num_threads=cores(),
            )
            model.fit(material.likes, show_progress=False)
        return AlsFactors(model, np.asarray(model.item_factors, dtype=np.float32), {})

    def shared(self, material: BaselineData) -> AlsFactors:
        """`fit`, or what it gave before for the same material."""
        if self not in material.shared:
            material.shared[self] = self.fit(material)
        found: AlsFactors = material.shared[self]
        return found

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Where likes are known and a candidate was there in training."""
        return has_history(scenario) and bool(warm_items[scenario.candidates].any())


@dataclass(frozen=True, slots=True)
class AlsFactors:
    """A fitted ALS.

    Attributes:
        model: implicit's.
        items: (I, factors); those of items without likes are near zero.
        folded: users that were folded in before, by the name of their scenario.
    """

    model: AlternatingLeastSquares
    items: Scores
    folded: dict[str, tuple[Scenario, Scores]]

    def users(self, scenario: Scenario) -> Scores:
        """(Q, factors) of those who ask, folded in by their histories, known ones and new ones alike."""
        before = self.folded.get(scenario.name)
        if before is None or before[0].history is not scenario.history:
            known = histories(scenario, len(self.items))
            found = self.model.recalculate_user(np.arange(len(scenario.users)), known)
            before = self.folded[scenario.name] = scenario, np.asarray(found, dtype=np.float32)
        return before[1]

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        del content
        return self.users(scenario) @ self.items[scenario.candidates].T
