"""Fake quantisation: linear layers as the int8 graph rounds them, with a straight-through gradient.

A rounding has no gradient; it is taken to be 1 within the grid and 0 beyond it, where the graph clips (Bengio et al.,
"Estimating or Propagating Gradients Through Stochastic Neurons", 2013).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emberline.export.precision.analysis.grid import WEIGHT_LIMIT
from emberline.export.precision.analysis.layer import QuantisedGroup

#: The greatest step of an input's grid.
_LAST = 255


@dataclass(frozen=True, slots=True)
class Rounding:
    """How linear layers that read one input, K wide, are rounded; N outputs together.

    Attributes:
        is_16bit: (K,) whether the input is stored in 16 bits, as two parts of 8.
        scale: (K,) of the input's grid, or of that of its coarse part.
        zero_point: (K,) likewise.
        rest_scale: (K,) of the grid of what is left.
        rest_zero_point: (K,) likewise.
        centres: (K,) what is taken from the input before it is rounded, and added again.
        divisors: (K,) what the rest is divided by, and the weight multiplied by.
        scales: (N, K) of the weight's grid.
        shift: (N, K) what is added to a weight's steps before they are rounded: what rounded it as the export does, so
            that errors cancel, while it moves on.
        bias_correction: (N,) what is added to the output, for the mean error of the rounding.
    """

    is_16bit: Tensor
    scale: Tensor
    zero_point: Tensor
    rest_scale: Tensor
    rest_zero_point: Tensor
    centres: Tensor
    divisors: Tensor
    scales: Tensor
    shift: Tensor
    bias_correction: Tensor

    @classmethod
    def of(cls, quantised: QuantisedGroup) -> Rounding:
        """The rounding of layers in the graph for CPUs."""
        order = np.arange(len(quantised.divisors)) if quantised.order is None else quantised.order
        parts = [(part, np.ones(len(part.divisors), np.float32)) for part in quantised.parts]
        grids = [(part.grids["uint8"], part.grids["uint8"].of_rest("uint8"), ones) for part, ones in parts]

        def channels(values: Iterable[NDArray[Any]]) -> Tensor:
            """Of all parts, in the order of the input."""
            return torch.from_numpy(np.concatenate(list(values))[np.argsort(order)])

        centres, divisors = channels([quantised.centres]), channels([quantised.divisors])
        scales = channels(ones[:, None] * part.scales for part, ones in parts).T.contiguous()
        steps = channels(part.weight for part in quantised.parts).T
        weight = torch.from_numpy(quantised.layers.weight).T
        return cls(
            is_16bit=channels(part.is_16bit * ones for part, ones in parts).bool(),
            scale=channels(grid.scale * ones for grid, _, ones in grids),
            zero_point=channels(grid.zero_point * ones for grid, _, ones in grids),
            rest_scale=channels(rest.scale * ones for _, rest, ones in grids),
            rest_zero_point=channels(rest.zero_point * ones for _, rest, ones in grids),
            centres=centres,
            divisors=divisors,
            scales=scales,
            shift=(steps - weight * divisors / scales).contiguous(),
            # The graph's bias also holds what the weight makes of the centres, which here moves on with the weight.
            bias_correction=torch.from_numpy(quantised.bias_correction("uint8"))
            - (steps * scales) @ (centres / divisors),
        )

    def input(self, states: Tensor) -> Tensor:
        """The input (…, K) as the products of 8 bits read it, smoothed and rounded, and its centres with it."""
        return self.rounded(states) + self.centres / self.divisors

    def rounded(self, states: Tensor) -> Tensor:
        """The input (…, K) less its centres, smoothed and rounded."""
        smoothed = (states - self.centres) * (1 / self.divisors)  # as the graph does
        coarse = _rounded(smoothed, self.scale, self.zero_point)
        rest = _rounded(smoothed - coarse, self.rest_scale, self.rest_zero_point)
        return coarse + torch.where(self.is_16bit, rest, 0.0)

    def weight(self, weight: Tensor) -> Tensor:
        """The weights (N, K), one above the other, as those products read them: smoothed and rounded."""
        steps = _whole(weight * self.divisors / self.scales + self.shift).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        return steps * self.scales


def rounded_rows(rows: Tensor) -> Tensor:
    """Rows (…, H) of the table of word embeddings, as 8 bits keep them; they are never trained."""
    scales = rows.abs().amax(dim=-1, keepdim=True).clamp(min=1e-8) / WEIGHT_LIMIT
    return (rows / scales).round() * scales


def _rounded(states: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    return ((_whole(states / scale) + zero_point).clamp(0, _LAST) - zero_point) * scale


def _whole(steps: Tensor) -> Tensor:
    """Rounded half to even, as ONNX does. The difference is exact in fp32, and so is the sum."""
    return steps + (steps.round() - steps).detach()
