"""The grid of 256 values that a quantised tensor is rounded to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.records import Floats
from emberline.export.precision.recipe import Activations

#: The greatest weight on its grid. −128 is left out: a symmetric grid needs no zero point.
WEIGHT_LIMIT: Final = 127
#: The greatest sum of two neighbouring weights of one sign, in channels 2k and 2k + 1. A processor without VNNI adds
#: their products with inputs of up to 255 in 16 bits, and cuts off what does not fit; 255 · 128 fits, so that vectors
#: are the same on every processor.
PAIR_LIMIT: Final = 128


@dataclass(frozen=True, slots=True)
class Grid:
    """Of an activation: x is stored as round(x / scale) + zero_point."""

    scale: np.float32
    zero_point: int

    def rounded(self, values: Floats, activations: Activations) -> Floats:
        """Values as they are read from the grid."""
        limits = np.iinfo(activations)
        steps = np.clip(np.rint(values / self.scale) + self.zero_point, limits.min, limits.max) - self.zero_point
        return np.asarray(steps * self.scale, np.float32)

    @classmethod
    def over(cls, low: float, high: float, activations: Activations) -> Grid:
        """The finest grid that holds 0 and everything from `low` to `high`."""
        low, high = min(low, 0.0), max(high, 0.0)
        if activations == "int8":
            return cls(np.float32(max(-low, high, 1e-8) / WEIGHT_LIMIT), 0)
        scale = max(high - low, 1e-8) / 255
        return cls(np.float32(scale), round(-low / scale))

    def of_rest(self, activations: Activations) -> Grid:
        """The grid of what rounding to this one leaves: from half a step below zero to half a step above."""
        scale = np.float32(float(self.scale) / (2 * WEIGHT_LIMIT))
        return Grid(scale, 128 if activations == "uint8" else 0)


def weight_scales(weight: Floats) -> Floats:
    """The scale (N,) of each column of a (K, N) weight, such that its greatest entry is the last of the grid."""
    greatest: Floats = np.maximum(np.abs(weight).max(axis=0), 1e-8) / WEIGHT_LIMIT
    return greatest


def product_scales(weight: Floats) -> Floats:
    """The same of a weight that inputs of 8 bits are multiplied by: its pairs are within `PAIR_LIMIT`, too."""
    even, odd = weight[: len(weight) // 2 * 2 : 2], weight[1::2]
    pairs = np.where(even * odd > 0, np.abs(even + odd), 0).max(axis=0, initial=0) / PAIR_LIMIT
    return np.asarray(np.maximum(weight_scales(weight), pairs), np.float32)


def nearest(weight: Floats, scales: Floats) -> Floats:
    """A weight rounded to the grid that its scales gave it, as whole numbers."""
    rounded: Floats = np.rint(weight / scales)
    return rounded
