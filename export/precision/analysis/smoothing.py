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
from emberline.export.precision.recipe import Activations, Method

from .calibration import Statistics
from .grid import Grid, nearest, product_scales
from .ranges import input_range

#: The α that are tried: high ones ease inputs of 8 bits, low ones the weights of layers whose inputs have 16.
ALPHAS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
#: How far inputs that are not centred may reach below zero, as a share of how far above: these are tried. Behind a GELU
#: many channels hardly rise above zero; the more they are narrowed, the more steps of the grid are left to the others.
ROOMS: Final = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.125, 0.08)
#: What `rounding` leaves of the error of rounding to the nearest; measured on MiniLM: 0.15 to 0.25.
_REMAINS: Final = 0.2
#: Kinds of layers whose inputs come centred: what is in front of them, a layer norm or the attention's values, has a
#: bias that can take each channel's centre off, and behind them there is one that can put it back.
CENTRED: Final = frozenset({"attention_in", "attention_out", "ffn_up"})
#: How far beyond what calibration saw the grid of an input reaches: with 16 bits it can afford to lose no outlier; with
#: 8, the worst texts lose less by so much, and the others no more.
_FINE_MARGIN: Final = 2.0
_MARGIN: Final = 1.15


def smooth(
    statistics: Statistics, weight: Floats, *, fine: bool, centred: bool, alpha: float | None = None
) -> tuple[Floats, float]:
    """Choose the divisors of a layer's inputs.

    Args:
        statistics: of its inputs.
        weight: (K, N).
        fine: whether the inputs will be stored in 16 bits.
        centred: whether they reach as far below zero as above.
        alpha: which α to take; None: the best of `ALPHAS`.

    Returns:
        The divisors (K,), their geometric mean 1, and the α that made them.
    """
    tried: dict[tuple[float, float], tuple[float, Floats]] = {}

    def error(strength: float, room: float) -> float:
        if (strength, room) not in tried:
            divisors = _divisors(statistics, weight, strength, room)
            tried[strength, room] = _error(statistics, weight, divisors, fine=fine), divisors
        return tried[strength, room][0]

    strengths, room = ALPHAS if alpha is None else (alpha,), ROOMS[0]
    best = min(strengths, key=lambda one: error(one, room))
    if not centred:
        room = min(ROOMS, key=lambda one: error(best, one))
        best = min(strengths, key=lambda one: error(one, room))
    return tried[best, room][1], best


def _divisors(statistics: Statistics, weight: Floats, alpha: float, room: float) -> Floats:
    """What makes inputs share their spread with the weight, and reach `room` times as far below zero as above."""
    widest = np.maximum(np.maximum(-statistics.low / room, statistics.high), 1e-5)
    heaviest = np.maximum(np.abs(weight).max(axis=1), 1e-5)
    divisors = widest**alpha / heaviest ** (1 - alpha)
    return np.asarray(divisors / np.exp(np.log(divisors).mean()), np.float32)


def input_grid(
    statistics: Statistics, divisors: Floats, activations: Activations, *, fine: bool, method: Method = "minmax"
) -> Grid:
    """The grid of a layer's smoothed inputs; that of their coarse part if they are fine."""
    low, high = input_range(statistics, divisors, method)
    margin = _FINE_MARGIN if fine else _MARGIN if method == "minmax" else 1.0
    return Grid.over(margin * low, margin * high, activations)


def noise(grid: Grid, *, fine: bool) -> float:
    """The variance that rounding to a grid adds to each input: Δ²/12 for steps of Δ."""
    step = float((grid.of_rest("uint8") if fine else grid).scale)
    return step**2 / 12


def _error(statistics: Statistics, weight: Floats, divisors: Floats, *, fine: bool) -> float:
    """The mean square error of a layer's output, were it quantised so, up to the constant 1/N."""
    smoothed = weight * divisors[:, None]
    scales = product_scales(smoothed)
    wrong = (nearest(smoothed, scales) * scales - smoothed) / divisors[:, None]  # in the unsmoothed inputs' terms
    rounding = float(((statistics.moments @ wrong) * wrong).sum())
    grid = input_grid(statistics, divisors, "uint8", fine=fine)
    return noise(grid, fine=fine) * float((smoothed**2).sum()) + _REMAINS * rounding
