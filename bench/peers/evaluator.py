"""How close a variant's vectors are to PyTorch's, and how well they rank new items and users by the bundle's towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from emberline.engine.bundle import Bundle
from emberline.engine.errors import ExportError
from emberline.engine.records import Floats
from emberline.export.evaluation.evaluation import evaluate
from emberline.export.exported import ExportedModel
from emberline.export.gate.comparison import agreement
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.predictor import Predictor
from emberline.export.training.measure import DatasetVectors, scores
from emberline.export.training.run import Run

from .building import PRECISIONS

_K: Final = 10


#: Below this least cosine an fp32 variant does not compute what PyTorch does: other weights, another cut, another mean.
SAME_VECTORS: Final = 0.9999


@dataclass(frozen=True, slots=True)
class Closeness:
    """A variant's vectors against the reference's."""

    cosine_mean: float  # mean cosine over all texts.
    cosine_minimum: float  # least cosine over all texts.
    #: the share of an item's ten nearest neighbours that are among its ten nearest, or as near, by the reference's
    #: vectors; the mean over all items.
    agreement_at_10: float


def closeness(found: Floats, reference: Floats, items: int) -> Closeness:
    """Compare.

    Args:
        found: (N, H), or (N, H + W) with the numbers of a wide part.
        reference: (N, H + W); as many of its numbers are compared as were found.
        items: the first so many are items, which ask for their neighbours among each other.
    """
    ours, theirs = _unit(found), _unit(reference[:, : found.shape[1]])
    cosines = (ours * theirs).sum(axis=1)
    agreed = agreement(_near(ours[:items]), _near(theirs[:items]), min(_K, items - 1))
    return Closeness(float(cosines.mean()), float(cosines.min()), agreed)


def completed(found: Floats, reference: Floats) -> Floats:
    """Vectors (N, H) of an encoder alone with the reference's wide part, (N, H + W), as towers read them."""
    width = found.shape[1]
    if width == reference.shape[1]:
        return found
    length = np.linalg.norm(reference[:, :width], axis=1, keepdims=True)
    whole: Floats = np.concatenate([_unit(found) * length, reference[:, width:]], axis=1)
    return whole


def together(*texts: Sequence[str]) -> tuple[str, ...]:
    """All texts, each once, in their order."""
    return tuple(dict.fromkeys(text for some in texts for text in some))


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit


def _near(vectors: Floats) -> Floats:
    near: Floats = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    return near


@dataclass(frozen=True, slots=True)
class RankingQuality:
    """Rankings by a variant's vectors."""

    item_cold: float  # NDCG@10 of items that training has not seen, the mean over the users.
    user_cold: float | None  # NDCG@10 for users that training has not seen; None if none were held out.


@dataclass(frozen=True, slots=True)
class RankingEvaluator:
    """Ranks as the accuracy gate and `bench recall` do, but with vectors that anyone made of the texts."""

    model: Predictor  # the model whose towers read the vectors.
    holdout: HoldoutSet  # what is ranked, and for whom.

    @classmethod
    def of(cls, bundle: Bundle, run: Run) -> Self | None:
        """The evaluator of a bundle; None if its run has held out nothing that could be ranked."""
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
        """Rank."""
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
