"""Linear layers in 8 bits: their smoothing, scales and rounded weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats

from .calibration import Statistics
from .grid import Activations, Grid, product_scales
from .linears import Linears
from .recipe import Way
from .rounding import compensated
from .smoothing import CENTRED, input_grid, noise, smooth


@dataclass(frozen=True, slots=True)
class Quantised:
    """Linear layers in 8 bits.

    Attributes:
        layers: which.
        fine: whether their inputs are stored in 16 bits.
        alpha: how far their inputs' spread was moved into the weight.
        centres: (K,) what is taken from the inputs; 0 where nothing in front of them can do so for nothing.
        divisors: (K,) what the inputs are divided by then.
        weight: (K, N) on its grid.
        scales: (N,) of its columns.
        grids: of the smoothed inputs, the coarse part's where they are fine; by how they are stored.
        amends: (N,) what is added to the outputs, for the centres and the mean error of the rounding; likewise.
    """

    layers: Linears
    fine: bool
    alpha: float
    centres: Floats
    divisors: Floats
    weight: NDArray[np.int8]
    scales: Floats
    grids: Mapping[Activations, Grid]
    amends: Mapping[Activations, Floats]


def quantise(layers: Linears, statistics: Statistics, way: Way) -> Quantised:
    """Choose the smoothing, the scales and the rounding of linear layers; they serve both forms of activations.

    Args:
        layers: as `linears.find` gives them.
        statistics: of their inputs.
        way: what the recipe says of them.
    """
    fine, centred = way.fine, layers.kind in CENTRED
    middle = np.asarray((statistics.low + statistics.high) / 2, np.float32)
    centres = middle if centred else np.zeros_like(middle)
    seen = statistics.less(centres)
    divisors, alpha = smooth(seen, layers.weight, fine=fine, centred=centred, alpha=way.alpha)
    grids: dict[Activations, Grid] = {
        form: input_grid(seen, divisors, form, fine=fine, method=way.method) for form in ("uint8", "int8")
    }
    smoothed = layers.weight * divisors[:, None]
    scales = product_scales(smoothed)
    moments = seen.moments / np.outer(divisors, divisors)
    moments[np.diag_indices_from(moments)] += noise(grids["uint8"], fine=fine)
    weight = compensated(smoothed, scales, moments)
    given, sample = seen.mean / divisors, seen.sample / divisors
    amends: dict[Activations, Floats] = {}
    for form, grid in grids.items():
        # What 16 bits leave is nothing to make up for.
        off = 0.0 if fine else (grid.rounded(sample, form) - sample).mean(axis=0)  # (K,)
        amends[form] = np.asarray(statistics.mean @ layers.weight - (given + off) @ weight * scales, np.float32)
    return Quantised(layers, fine, alpha, centres, divisors, weight, scales, grids, amends)
