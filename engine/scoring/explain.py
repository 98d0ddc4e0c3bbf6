"""Reasons for recommendations: the nearest liked item, the shared labels, and the labels the user probably likes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.records import Floats, Reason
from emberline.engine.text.rendering import labels

#: Maximum number of predicted likes, the user's most probable labels; of few labels only a third. A threshold on the
#: probability would not work: among a handful of genres each is probable, among hundreds of actors none is.
_MAX_LIKES: Final = 5


def explain(
    snapshot: Snapshot,
    rows: NDArray[np.int64],
    history: Sequence[int],
    likes: Floats,
    *,
    user_labels: Sequence[str],
    label_fields: Sequence[str],
) -> tuple[Reason, ...]:
    """Give a reason for each recommended item.

    Args:
        snapshot: the catalogue.
        rows: (K,) rows of the recommended items.
        history: rows of the liked items. Liked items that were given by text or vector have no row and are not named.
        likes: (A,) `user_attributes`, the probability that the user's next likes have each label.
        user_labels: A labels, as ``field=value``.
        label_fields: attributes whose values are labels.
    """
    liked = np.array(history, np.int64)
    nearness = _normalised(snapshot.embeddings[rows]) @ _normalised(snapshot.embeddings[liked]).T  # (K, T)
    liked_labels = [labels(snapshot.attributes(row), label_fields) for row in history]
    most = min(_MAX_LIKES, math.ceil(len(likes) / 3))
    predicted = [user_labels[index] for index in np.argsort(-likes, kind="stable")[:most]]
    reasons: list[Reason] = []
    for row, cosines in zip(rows.tolist(), nearness, strict=True):
        own = labels(snapshot.attributes(row), label_fields)
        # An item of the history may be recommended again, but it is not a reason for itself.
        others = np.where(liked == row, -np.inf, cosines)
        best = int(np.argmax(others)) if np.isfinite(others).any() else None
        reasons.append(
            Reason(
                because_of="" if best is None else snapshot.id(history[best]),
                nearness=0.0 if best is None else float(cosines[best]),
                shared_attributes=() if best is None else tuple(name for name in own if name in liked_labels[best]),
                predicted_likes=tuple(name for name in predicted if name in own),
            )
        )
    return tuple(reasons)


def _normalised(vectors: Floats) -> Floats:
    scaled: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return scaled
