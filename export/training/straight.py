"""Linear layers as the int8 graph rounds them, with gradients that pass straight through.

A rounding has no gradient; it is taken to be 1 within the grid and 0 beyond it, where the graph clips (Bengio et al.,
"Estimating or Propagating Gradients Through Stochastic Neurons", 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emberline.export.precision.grid import WEIGHT_LIMIT, Grid
from emberline.export.precision.layer import Quantised

#: The greatest step of an input's grid.
_LAST = 255


@dataclass(frozen=True, slots=True)
class Rounding:
    """How linear layers that read one input, K wide, are rounded; N outputs together.

    Attributes:
        fine: whether the input is stored in 16 bits, as two parts of 8.
        scale: of the input's grid, or of that of its coarse part.
        zero_point: likewise.
        centres: (K,) what is taken from the input before it is rounded, and added again.
        divisors: (K,) what the rest is divided by, and the weight multiplied by.
        scales: (N, 1) of the weight's grid.
        shift: (N, K) what is added to a weight's steps before they are rounded: what rounded it as the export does, so
            that errors cancel, while it moves on.
        amends: (N,) what is added to the output, for the mean error of the rounding.
    """

    fine: bool
    scale: float
    zero_point: int
    centres: Tensor
    divisors: Tensor
    scales: Tensor
    shift: Tensor
    amends: Tensor

    @classmethod
    def of(cls, quantised: Quantised) -> Rounding:
        """The rounding of layers in the graph for CPUs."""
        grid = quantised.grids["uint8"]
        centres, divisors = torch.from_numpy(quantised.centres), torch.from_numpy(quantised.divisors)
        scales = torch.from_numpy(quantised.scales)[:, None]
        weight = torch.from_numpy(quantised.layers.weight).T
        steps = torch.from_numpy(quantised.weight).T
        shift = (steps - weight * divisors / scales).contiguous()
        # The graph's bias also holds what the weight makes of the centres, which here moves on with the weight.
        amends = torch.from_numpy(quantised.amends["uint8"]) - (steps * scales) @ (centres / divisors)
        return cls(quantised.fine, float(grid.scale), grid.zero_point, centres, divisors, scales, shift, amends)

    def input(self, states: Tensor) -> Tensor:
        """The input (…, K) as the products of 8 bits read it, smoothed and rounded, and its centres with it."""
        smoothed = (states - self.centres) * (1 / self.divisors)  # as the graph does
        grid = Grid(np.float32(self.scale), self.zero_point)
        coarse = _rounded(smoothed, grid)
        if self.fine:
            coarse = coarse + _rounded(smoothed - coarse, grid.of_rest("uint8"))
        return coarse + self.centres / self.divisors

    def weight(self, weight: Tensor) -> Tensor:
        """The weights (N, K), one above the other, as those products read them: smoothed and rounded."""
        steps = _whole(weight * self.divisors / self.scales + self.shift).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        return steps * self.scales


def rounded_rows(rows: Tensor) -> Tensor:
    """Rows (…, H) of the table of word embeddings, as 8 bits keep them; they are never trained."""
    scales = rows.abs().amax(dim=-1, keepdim=True).clamp(min=1e-8) / WEIGHT_LIMIT
    return (rows / scales).round() * scales


def _rounded(states: Tensor, grid: Grid) -> Tensor:
    scale = float(grid.scale)
    return ((_whole(states / scale) + grid.zero_point).clamp(0, _LAST) - grid.zero_point) * scale


def _whole(steps: Tensor) -> Tensor:
    """Rounded half to even, as ONNX does. The difference is exact in fp32, and so is the sum."""
    return steps + (steps.round() - steps).detach()
