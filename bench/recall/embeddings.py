"""What smaller embeddings cost: items' vectors as a catalogue can keep them, and only the first of their numbers.

Training can put what counts most into the first numbers of `item_embedding` and `user_embedding` (Kusupati et al.,
"Matryoshka Representation Learning", NeurIPS 2022). With d of D numbers, the ranking score is made of the first d of
both vectors; everything else that reads them reads them whole.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind, vector_bytes
from emberline.engine.catalogue.stored_vectors import StoredVectors
from emberline.engine.errors import DataError
from emberline.engine.records import Floats
from emberline.export.evaluation.evaluation import evaluate
from emberline.export.evaluation.scenarios import Scenario, item_cold, user_cold
from emberline.export.gate.comparison import agreement, unmet
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.predictor import Predictor
from emberline.export.training.measure import DatasetVectors, users

_K: Final = 10
#: Known likes of the cold users.
KNOWN: Final = 5


@dataclass(frozen=True, slots=True)
class SmallerEmbeddings:
    """What is left of the rankings with vectors of one kind and width."""

    kind: VectorKind  # kind of the vectors' numbers, as in a catalogue.
    dimensions: int  # d, how many numbers of `item_embedding` are searched.
    vector_bytes: int  # bytes of an item's d numbers.
    item_bytes: int  # bytes of them and of the item's `sentence_embedding`.
    recommendations_at_10: float  # agreement of users' recommendations with those by fp32 and all numbers.
    item_cold_ndcg_at_10: float  # mean over the users.
    user_cold_ndcg_at_10: float | None  # the same for users with `KNOWN` known likes; None if no users were held out.


def smaller_embeddings(model: Predictor, vectors: DatasetVectors, holdout: HoldoutSet) -> list[SmallerEmbeddings]:
    """Measure every kind of vectors with all, half and a quarter of the numbers.

    Returns:
        By kind and falling width; the first is what all are compared with.
    """
    embeddings, biases = vectors.embeddings, vectors.biases
    width = embeddings.shape[1]
    new_items, everything = item_cold(holdout.dataset, holdout.split), holdout.recommendations
    new_users = None
    with suppress(DataError):
        new_users = user_cold(holdout.dataset, holdout.split, KNOWN)
    asked = [one for one in (new_items, everything, new_users) if one is not None]
    found: list[SmallerEmbeddings] = []
    reference: Floats | None = None
    for kind in VECTOR_KINDS:
        kept = _kept(vectors, kind)
        people = [users(model, kept, one.users, one.history, profile=one.profile) for one in asked]
        for dimensions in widths(width):
            items = StoredVectors.of(embeddings[:, :dimensions], kind)[:]
            scores = [
                model.score(vector[:, :dimensions], items[one.candidates], biases[one.candidates])
                for one, vector in zip(asked, people, strict=True)
            ]
            recommended = unmet(scores[1], everything)
            reference = recommended if reference is None else reference
            size = vector_bytes(kind, dimensions)
            found.append(
                SmallerEmbeddings(
                    kind=kind,
                    dimensions=dimensions,
                    vector_bytes=size,
                    item_bytes=size + vector_bytes(kind, vectors.items.shape[1]),
                    recommendations_at_10=agreement(recommended, reference, _K),
                    item_cold_ndcg_at_10=_ndcg(new_items, scores[0]),
                    user_cold_ndcg_at_10=None if new_users is None else _ndcg(new_users, scores[2]),
                )
            )
    return found


def widths(dimensions: int) -> list[int]:
    """All, half and a quarter of the numbers, as far as there are so many."""
    return sorted({dimensions, dimensions // 2, dimensions // 4} - {0}, reverse=True)


def _kept(vectors: DatasetVectors, kind: VectorKind) -> DatasetVectors:
    """The vectors as the user tower reads them of items in a catalogue."""
    return replace(vectors, embeddings=StoredVectors.of(vectors.embeddings, kind)[:])


def _ndcg(scenario: Scenario, scores: Floats) -> float:
    return float(np.mean(evaluate(scenario, scores, ks=(_K,)).ndcg[_K]))
