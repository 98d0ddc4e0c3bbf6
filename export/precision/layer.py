"""Linear layers in 8 bits: their smoothing, scales and rounded weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats

from .calibration import Statistics
from .grid import Activations, Grid, weight_scales
from .linears import Linears
from .recipe import Way
from .rounding import compensated
from .smoothing import input_grid, noise, smooth, weight_limit


@dataclass(frozen=True, slots=True)
class Quantised:
    """Linear layers in 8 bits.

    Attributes:
        layers: which.
        fine: whether their inputs are stored in 16 bits.
        alpha: how far their inputs' spread was moved into the weight.
        divisors: (K,) what the inputs are divided by.
        weight: (K, N) on its grid.
        scales: (N,) of its columns.
        grids: of the smoothed inputs, the coarse part's where they are fine; by how they are stored.
    """

    layers: Linears
    fine: bool
    alpha: float
    divisors: Floats
    weight: NDArray[np.int8]
    scales: Floats
    grids: Mapping[Activations, Grid]


def quantise(layers: Linears, statistics: Statistics, way: Way) -> Quantised:
    """Choose the smoothing, the scales and the rounding of linear layers; they serve both forms of activations.

    Args:
        layers: as `linears.find` gives them.
        statistics: of their inputs.
        way: what the recipe says of them.
    """
    fine = way.fine
    divisors, alpha = smooth(statistics, layers.weight, fine=fine, alpha=way.alpha)
    grids: dict[Activations, Grid] = {
        form: input_grid(statistics, divisors, form, fine=fine, method=way.method) for form in ("uint8", "int8")
    }
    smoothed = layers.weight * divisors[:, None]
    limit = weight_limit(fine=fine)
    scales = weight_scales(smoothed, limit)
    moments = statistics.moments / np.outer(divisors, divisors)
    moments[np.diag_indices_from(moments)] += noise(grids["uint8"], fine=fine)
    return Quantised(layers, fine, alpha, divisors, compensated(smoothed, scales, moments, limit), scales, grids)
