"""How close a variant's vectors are to PyTorch's: whether it runs the same model, and which neighbours it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.records import Floats
from emberline.export.gate.comparison import agreement

#: Below this least cosine an fp32 variant does not compute what PyTorch does: other weights, another cut, another mean.
SAME_VECTORS: Final = 0.9999
_K: Final = 10


@dataclass(frozen=True, slots=True)
class Closeness:
    """A variant's vectors against the reference's.

    Attributes:
        cosine_mean: over all texts.
        cosine_minimum: likewise.
        agreement_at_10: the share of an item's ten nearest neighbours that are among its ten nearest, or as near, by
            the reference's vectors; the mean over all items.
    """

    cosine_mean: float
    cosine_minimum: float
    agreement_at_10: float


def closeness(found: Floats, reference: Floats, items: int) -> Closeness:
    """Compare.

    Args:
        found: (N, H).
        reference: (N, H).
        items: the first so many are items, which ask for their neighbours among each other.
    """
    ours, theirs = _unit(found), _unit(reference)
    cosines = (ours * theirs).sum(axis=1)
    agreed = agreement(_near(ours[:items]), _near(theirs[:items]), min(_K, items - 1))
    return Closeness(float(cosines.mean()), float(cosines.min()), agreed)


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
