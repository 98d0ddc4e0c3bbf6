"""Where texts put items, in closed form: ridge regression from what a text says to vector and bias.

A text says three things: the encoder's vector of it, the labels and limits that it tells of, and its word pieces. The
regression is solved by items, not by features, of which there may be many more (Saunders, Gammerman and Vovk, "Ridge
Regression Learning Algorithm in Dual Variables", ICML 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix

from emberline.export.model import Emberline

from .examples import Floats, Indexes
from .pieces import Pieces

Kernel = NDArray[np.float32]

#: What the encoder's vector, without the mean of all, is multiplied by: most of its unit length is that mean, and what
#: tells items apart is then about as large as what labels and pieces say.
DEEP: Final = 2.0
#: Items that a regression is solved over, at most: their products take 4 bytes a pair, 1 GB of so many.
SOLVED: Final = 16_384
_ROWS: Final = 1024
#: Length of what the wide part says beside that of the encoder's vector, of unit length, in `sentence_embedding`.
WIDE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Blend:
    """How a regression is to be solved.

    Attributes:
        words: how much the products of pieces count beside those of the encoder's vectors.
        penalty: of the regression.
    """

    words: float
    penalty: float


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """What the texts of n items say.

    Attributes:
        deep: (n, H) the encoder's vectors.
        indicators: (n, A + N) labels and limits, each times its emphasis.
        words: (n, features) pieces and pairs.
    """

    deep: Floats
    indicators: Floats
    words: csr_matrix

    def at(self, items: Indexes) -> TextFeatures:
        """What some of the items' texts say."""
        return TextFeatures(self.deep[items], self.indicators[items], self.words[items])

    def kernel(self, other: TextFeatures, words: float) -> Kernel:
        """(n, m) products with those of m other items, not centred."""
        found = np.asarray(DEEP**2 * (self.deep @ other.deep.T), dtype=np.float32)
        found += self.indicators @ other.indicators.T
        # In parts: a sparse product of which nothing is zero takes three times the memory.
        for start in range(0, len(found) if words else 0, _ROWS):
            part = slice(start, start + _ROWS)
            found[part] += np.float32(words) * (self.words[part] @ other.words.T).toarray()
        return found


@dataclass(frozen=True, slots=True)
class ItemPlacement:
    """A linear map of what texts say to W numbers: those of a vector that texts place, and the bias.

    Attributes:
        deep: (H, W).
        indicators: (A + N, W), of what is emphasised.
        words: (features, W).
        offset: (W,).
    """

    deep: Floats
    indicators: Floats
    words: Floats
    offset: Floats

    def of(self, features: TextFeatures) -> Floats:
        """(n, W) where n items are put."""
        found = (
            features.deep @ self.deep
            + features.indicators @ self.indicators
            + features.words @ self.words
            + self.offset
        )
        return np.asarray(found, dtype=np.float32)

    @classmethod
    def mean(cls, placements: Sequence[ItemPlacement]) -> ItemPlacement:
        """The mean of some placements."""
        parts = [np.mean([getattr(one, part.name) for one in placements], axis=0) for part in fields(cls)]
        deep, indicators, words, offset = (np.asarray(part, dtype=np.float32) for part in parts)
        return cls(deep, indicators, words, offset)

    def scaled(self, slope: float, offset: float, factors: int = 0) -> ItemPlacement:
        """The placement with its numbers times a slope, and an offset to the last of them, the bias.

        Args:
            slope: of all numbers but factors.
            offset: of the bias.
            factors: how many of them stand before the bias.
        """
        slopes = np.full(len(self.offset), slope, dtype=np.float32)
        slopes[_factors(factors)] = 1
        moved = slopes * self.offset
        moved[-1] += offset
        return ItemPlacement(self.deep * slopes, self.indicators * slopes, self.words * slopes, moved)

    def mixed(self, other: ItemPlacement, factors: int = 0) -> ItemPlacement:
        """The mean of this placement and another, which has no factors, and this one's factors."""
        return ItemPlacement(
            *(_mixed(getattr(self, part.name), getattr(other, part.name), factors) for part in fields(self))
        )


def _factors(count: int) -> slice:
    return slice(-1 - count, -1)


def _mixed(one: Floats, other: Floats, factors: int) -> Floats:
    found = one.copy()
    rest = np.delete(np.arange(one.shape[-1]), _factors(factors))
    found[..., rest] = (one[..., rest] + other) / 2
    return found


def solve(features: TextFeatures, target: Floats, blends: Sequence[Blend]) -> list[ItemPlacement]:
    """Fit a placement for each of some blends.

    Args:
        features: what the texts of n items say.
        target: (n, W) where they shall be put; of more than `SOLVED` items, so many are drawn.
        blends: those of one weight of the words stand together, so that products are taken once.
    """
    if len(target) > SOLVED:
        some = np.random.default_rng(0).permutation(len(target))[:SOLVED]
        features, target = features.at(some), target[some]
    mean = target.mean(axis=0)
    found, kernel, made = [], np.zeros((0, 0), np.float32), None
    for blend in blends:
        if made != blend.words:
            kernel, made = _centred(features.kernel(features, blend.words)), blend.words
        shifted = kernel.copy()
        shifted.flat[:: len(kernel) + 1] += np.float32(blend.penalty)
        factor = cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
        dual = cho_solve(factor, target - mean, check_finite=False)  # (n, W); columns add up to 0
        deep = (DEEP**2 * (features.deep.T @ dual)).astype(np.float32)
        indicators = (features.indicators.T @ dual).astype(np.float32)
        words = (blend.words * (features.words.T @ dual)).astype(np.float32)
        unmoved = ItemPlacement(deep, indicators, words, np.zeros(len(mean), np.float32))
        found.append(replace(unmoved, offset=(mean - unmoved.of(features).mean(axis=0)).astype(np.float32)))
    return found


def solve_mean(features: TextFeatures, target: Floats, blends: Sequence[Blend]) -> ItemPlacement:
    """The mean of the placements of some blends; see `solve`."""
    return ItemPlacement.mean(solve(features, target, blends))


@torch.no_grad()
def placed(model: Emberline, features: int) -> ItemPlacement:
    """The placement by which a model without a wide part puts items, silent about that many pieces and pairs."""
    tower = model.item_tower
    indicators = tower.described.weight.T.numpy().copy()
    deep = tower.text.weight.T.numpy().copy()
    return ItemPlacement(
        deep, indicators, np.zeros((features, deep.shape[1]), np.float32), tower.text.bias.numpy().copy()
    )


@torch.no_grad()
def put(model: Emberline, placement: ItemPlacement) -> None:
    """Let a model put items by a placement, but for its words."""
    tower = model.item_tower
    tower.text.weight.copy_(torch.from_numpy(placement.deep.T))
    tower.described.weight.copy_(torch.from_numpy(placement.indicators.T))
    tower.text.bias.copy_(torch.from_numpy(placement.offset))


@torch.no_grad()
def place(model: Emberline, placement: ItemPlacement, pieces: Pieces, features: TextFeatures) -> None:
    """Let a model put items by a placement; where its words say something, the model gets a wide part.

    Args:
        model: its item tower is set.
        placement: what it shall do.
        pieces: those of the placement's words.
        features: what the texts of the items say.
    """
    put(model, placement)
    if placement.words.any():
        spread = float(np.sqrt(((features.words @ placement.words) ** 2).sum(axis=1).mean()))
        model.widen(pieces.rows(placement.words), max(spread, 1e-6) / WIDE)


def _centred(kernel: Kernel) -> Kernel:
    """The kernel of centred features, in the kernel's own place."""
    mean = kernel.mean(axis=0, dtype=np.float64)
    kernel -= mean.astype(np.float32)
    kernel -= (mean - mean.mean()).astype(np.float32)[:, None]
    return kernel
