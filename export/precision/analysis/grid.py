"""The grid of 256 values to which a quantised tensor is rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.records import Floats
from emberline.export.precision.recipe import Activations

#: The greatest weight on its grid. −128 is unused, so that the grid is symmetric and needs no zero point.
WEIGHT_LIMIT: Final = 127
#: The greatest sum of two neighbouring weights of the same sign, in channels 2k and 2k + 1. A processor without VNNI
#: adds their products with inputs of up to 255 in 16 bits and saturates. 255 · 128 does not overflow, so vectors are
#: the same on every processor.
PAIR_LIMIT: Final = 128


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of an activation: x is stored as round(x / scale) + zero_point."""

    scale: np.float32
    zero_point: int

    def rounded(self, values: Floats, activations: Activations) -> Floats:
        """Values rounded to the grid."""
        limits = np.iinfo(activations)
        steps = np.clip(np.rint(values / self.scale) + self.zero_point, limits.min, limits.max) - self.zero_point
        return np.asarray(steps * self.scale, np.float32)

    @classmethod
    def over(cls, low: float, high: float, activations: Activations) -> Grid:
        """The finest grid that contains 0 and the range from `low` to `high`."""
        low, high = min(low, 0.0), max(high, 0.0)
        if activations == "int8":
            return cls(np.float32(max(-low, high, 1e-8) / WEIGHT_LIMIT), 0)
        scale = max(high - low, 1e-8) / 255
        return cls(np.float32(scale), round(-low / scale))

    def of_rest(self, activations: Activations) -> Grid:
        """The grid of the residual of rounding to this one: from minus half a step to half a step."""
        scale = np.float32(float(self.scale) / (2 * WEIGHT_LIMIT))
        return Grid(scale, 128 if activations == "uint8" else 0)


def weight_scales(weight: Floats) -> Floats:
    """The scale (N,) of each column of a weight (K, N); its largest entry becomes the end of the grid."""
    greatest: Floats = np.maximum(np.abs(weight).max(axis=0), 1e-8) / WEIGHT_LIMIT
    return greatest


def product_scales(weight: Floats) -> Floats:
    """The scales (N,) of a weight that multiplies 8-bit activations; its pairs stay within `PAIR_LIMIT`, too."""
    even, odd = weight[: len(weight) // 2 * 2 : 2], weight[1::2]
    pairs = np.where(even * odd > 0, np.abs(even + odd), 0).max(axis=0, initial=0) / PAIR_LIMIT
    return np.asarray(np.maximum(weight_scales(weight), pairs), np.float32)


def nearest(weight: Floats, scales: Floats) -> Floats:
    """A weight in steps of its scales, rounded to whole numbers."""
    rounded: Floats = np.rint(weight / scales)
    return rounded
