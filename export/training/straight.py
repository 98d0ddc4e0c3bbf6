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
from emberline.export.precision.smoothing import weight_limit

#: The greatest step of an input's grid.
_LAST = 255


@dataclass(frozen=True, slots=True)
class Rounding:
    """How linear layers that read one input, K wide, are rounded; N outputs together.

    Attributes:
        fine: whether the input is stored in 16 bits, as two parts of 8.
        scale: of the input's grid, or of that of its coarse part.
        zero_point: likewise.
        divisors: (K,) what the input is divided by before it is rounded, and the weight multiplied by.
        scales: (N, 1) of the weight's grid.
        shift: (N, K) what is added to a weight's steps before they are rounded: what rounded it as the export does, so
            that errors cancel, while it moves on.
    """

    fine: bool
    scale: float
    zero_point: int
    divisors: Tensor
    scales: Tensor
    shift: Tensor

    @classmethod
    def of(cls, quantised: Quantised) -> Rounding:
        """The rounding of layers in the graph for CPUs."""
        grid = quantised.grids["uint8"]
        divisors, scales = torch.from_numpy(quantised.divisors), torch.from_numpy(quantised.scales)[:, None]
        weight = torch.from_numpy(quantised.layers.weight).T
        shift = torch.from_numpy(quantised.weight).T - weight * divisors / scales
        return cls(quantised.fine, float(grid.scale), grid.zero_point, divisors, scales, shift.contiguous())

    def input(self, states: Tensor) -> Tensor:
        """The input (…, K) as the products of 8 bits read it: smoothed and rounded."""
        smoothed = states * (1 / self.divisors)  # as the graph does
        grid = Grid(np.float32(self.scale), self.zero_point)
        coarse = _rounded(smoothed, grid)
        if not self.fine:
            return coarse
        return coarse + _rounded(smoothed - coarse, grid.of_rest("uint8"))

    def weight(self, weight: Tensor) -> Tensor:
        """The weights (N, K), one above the other, as those products read them: smoothed and rounded."""
        limit = weight_limit(fine=self.fine)
        steps = _whole(weight * self.divisors / self.scales + self.shift).clamp(-limit, limit)
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
