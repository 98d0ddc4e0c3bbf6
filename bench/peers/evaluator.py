"""How well new items and new users are ranked by a variant's vectors, through the bundle's own towers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from emberline.engine.bundle import Bundle
from emberline.engine.errors import ExportError
from emberline.engine.records import Floats
from emberline.export.evaluation.evaluation import evaluate
from emberline.export.exported import ExportedModel
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.predictor import Predictor
from emberline.export.training.measure import DatasetVectors, scores
from emberline.export.training.run import Run

from .building import PRECISIONS
from .closeness import together

_K: Final = 10


@dataclass(frozen=True, slots=True)
class RankingQuality:
    """Rankings by a variant's vectors.

    Attributes:
        item_cold: NDCG@10 of items that training has not seen, the mean over the users.
        user_cold: NDCG@10 for users that training has not seen; None if none were held out.
    """

    item_cold: float
    user_cold: float | None


@dataclass(frozen=True, slots=True)
class RankingEvaluator:
    """Ranks as the accuracy gate and `bench recall` do, but with vectors that anyone made of the texts.

    Attributes:
        model: whose towers read the vectors.
        holdout: what is ranked, and for whom.
    """

    model: Predictor
    holdout: HoldoutSet

    @classmethod
    def of(cls, bundle: Bundle, run: Run) -> Self | None:
        """The evaluator of a bundle; None if its run has held out nothing that could be ranked.

        Args:
            bundle: whose towers.
            run: whose data, and what of them it was not trained on.
        """
        try:
            holdout = HoldoutSet.of(*run.data())
        except ExportError:
            return None
        manifest = bundle.manifest
        config = run.trained.model.config
        # Its encoder is not asked, so any will do.
        precision = next(name for name in PRECISIONS if name in manifest.encoders)
        encoder = manifest.encoders[precision]
        return cls(ExportedModel(bundle.layout, precision, encoder, manifest.graphs, config), holdout)

    def texts(self) -> tuple[str, ...]:
        """The texts whose vectors it needs: of all items and of what is known of users, each once."""
        dataset = self.holdout.dataset
        return tuple(text for text in together(dataset.item_texts(), dataset.user_texts()) if text)

    def rank(self, vectors: Mapping[str, Floats]) -> RankingQuality:
        """Rank.

        Args:
            vectors: (H,) of each of `texts`.
        """
        dataset = self.holdout.dataset
        # What nothing is known of is zeros, as the towers were trained to read it.
        known = {**vectors, "": np.zeros_like(next(iter(vectors.values())))}
        items = np.stack([known[text] for text in dataset.item_texts()])
        profiles = np.stack([known[text] for text in dataset.user_texts()])
        found = DatasetVectors.with_items(self.model, items, profiles)
        means = [
            float(evaluate(scenario, scores(self.model, found, scenario), ks=(_K,)).ndcg[_K].mean())
            for scenario in self.holdout.rankings
        ]
        return RankingQuality(means[0], means[1] if len(means) > 1 else None)
