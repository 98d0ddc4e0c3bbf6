"""Moving the spread of a layer's inputs into its weights, until both sides suit their bits.

A few channels of a Transformer's activations are ten times as wide as the others, so that one scale for all leaves the
others a few steps of the grid. Dividing channel k by s_k and multiplying row k of the weight by it changes nothing in
exact arithmetic; s_k = max|x_k|^α / max|w_k|^(1−α) shares the burden (Xiao et al., "SmoothQuant", ICML 2023). The best
α differs from layer to layer, so here each layer gets the one with the least error of its output, which follows from
the layer's statistics alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emberline.engine.records import Floats

from .calibration import Statistics
from .grid import SAFE_WEIGHT_LIMIT, WEIGHT_LIMIT, Activations, Grid, nearest, weight_scales
from .ranges import input_range
from .recipe import Method

#: The α that are tried: high ones ease inputs of 8 bits, low ones the weights of layers whose inputs have 16.
ALPHAS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
#: What `rounding` leaves of the error of rounding to the nearest; measured on MiniLM: 0.15 to 0.25.
_REMAINS: Final = 0.2
#: How far beyond what calibration saw the grid of an input of 16 bits reaches: it can afford to lose no outlier.
_MARGIN: Final = 2.0


def smooth(statistics: Statistics, weight: Floats, *, fine: bool, alpha: float | None = None) -> tuple[Floats, float]:
    """Choose the divisors of a layer's inputs.

    Args:
        statistics: of its inputs.
        weight: (K, N).
        fine: whether the inputs will be stored in 16 bits.
        alpha: which α to take; None: the best of `ALPHAS`.

    Returns:
        The divisors (K,), their geometric mean 1, and the α that made them.
    """
    widest = np.maximum(np.maximum(-statistics.low, statistics.high), 1e-5)
    heaviest = np.maximum(np.abs(weight).max(axis=1), 1e-5)
    best: tuple[float, Floats, float] | None = None
    for strength in ALPHAS if alpha is None else (alpha,):
        divisors = widest**strength / heaviest ** (1 - strength)
        divisors = (divisors / np.exp(np.log(divisors).mean())).astype(np.float32)
        error = _error(statistics, weight, divisors, fine=fine)
        if best is None or error < best[0]:
            best = error, divisors, strength
    assert best is not None
    return best[1], best[2]


def input_grid(
    statistics: Statistics, divisors: Floats, activations: Activations, *, fine: bool, method: Method = "minmax"
) -> Grid:
    """The grid of a layer's smoothed inputs; that of their coarse part if they are fine."""
    margin = _MARGIN if fine else 1.0
    low, high = input_range(statistics, divisors, method)
    return Grid.over(margin * low, margin * high, activations)


def noise(grid: Grid, *, fine: bool) -> float:
    """The variance that rounding to a grid adds to each input: Δ²/12 for steps of Δ."""
    step = float((grid.of_rest("uint8") if fine else grid).scale)
    return step**2 / 12


def weight_limit(*, fine: bool) -> int:
    """The greatest weight on the grid of a layer."""
    # The margin of fine inputs keeps their sums small enough.
    return WEIGHT_LIMIT if fine else SAFE_WEIGHT_LIMIT


def _error(statistics: Statistics, weight: Floats, divisors: Floats, *, fine: bool) -> float:
    """The mean square error of a layer's output, were it quantised so, up to the constant 1/N."""
    smoothed = weight * divisors[:, None]
    scales = weight_scales(smoothed, weight_limit(fine=fine))
    wrong = (nearest(smoothed, scales) * scales - smoothed) / divisors[:, None]  # in the unsmoothed inputs' terms
    rounding = float(((statistics.moments @ wrong) * wrong).sum())
    grid = input_grid(statistics, divisors, "uint8", fine=fine)
    return noise(grid, fine=fine) * float((smoothed**2).sum()) + _REMAINS * rounding
