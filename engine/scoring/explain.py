"""Why items are recommended: the nearest thing the user liked, what the two share, and what the user probably likes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.records import Floats, Reason
from emberline.engine.text.rendering import labels

#: The user's most probable labels count as predicted likes: so many, but of few labels only a third. A fixed
#: probability would not do: over a handful of genres each is probable, over hundreds of actors none is.
_LIKES: Final = 5


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
        rows: (K,) of the recommended items.
        history: the rows of the items that the user liked; those that were given by text or vector have none and
            are not named.
        likes: (A,) `user_attributes`: how probably the user's next likes have each label.
        user_labels: the labels, as ``field=value``.
        label_fields: the attributes whose values are labels.
    """
    liked = np.array(history, np.int64)
    nearness = _directions(snapshot.embeddings[rows]) @ _directions(snapshot.embeddings[liked]).T  # (K, T)
    liked_labels = [labels(snapshot.attributes(row), label_fields) for row in history]
    most = min(_LIKES, math.ceil(len(likes) / 3))
    predicted = [user_labels[index] for index in np.argsort(-likes, kind="stable")[:most]]
    reasons: list[Reason] = []
    for row, cosines in zip(rows.tolist(), nearness, strict=True):
        own = labels(snapshot.attributes(row), label_fields)
        # An item that is in the history itself may be recommended again; it is no reason for itself.
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


def _directions(vectors: Floats) -> Floats:
    scaled: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return scaled
