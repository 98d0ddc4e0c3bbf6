"""The grid of 256 values that a quantised tensor is rounded to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from emberline.engine.records import Floats

#: How activations are stored: from 0 to 255 around a zero point, which serves CPUs and skewed values best, or from −127
#: to 127 around zero, the only way that TensorRT knows.
Activations = Literal["uint8", "int8"]

#: The greatest weight on its grid. −128 is left out: a symmetric grid needs no zero point.
WEIGHT_LIMIT: Final = 127
#: The same where inputs are stored in 8 bits. A processor without VNNI adds two products in 16 bits and cuts off what
#: does not fit; 2 · 255 · 64 fits, so that vectors are the same on every processor. With 127, one sum in 10,000 would
#: not, enough to multiply a layer's error by five; the coarser grid costs a twentieth of what int8 loses in all.
SAFE_WEIGHT_LIMIT: Final = 64


@dataclass(frozen=True, slots=True)
class Grid:
    """Of an activation: x is stored as round(x / scale) + zero_point."""

    scale: np.float32
    zero_point: int

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


def weight_scales(weight: Floats, limit: int = WEIGHT_LIMIT) -> Floats:
    """The scale (N,) of each column of a (K, N) weight, such that its greatest entry is the last of the grid."""
    greatest: Floats = np.maximum(np.abs(weight).max(axis=0), 1e-8) / limit
    return greatest


def nearest(weight: Floats, scales: Floats) -> Floats:
    """A weight rounded to the grid that `weight_scales` gave it, as whole numbers."""
    rounded: Floats = np.rint(weight / scales)
    return rounded
