"""Moves the spread of a layer's inputs into its weights, so that both fit into their bits.

A few channels of a Transformer's activations are ten times as wide as the others. With one scale for all, only a few
steps of the grid are left for the others. Dividing channel k by s_k and multiplying row k of the weight by s_k changes
nothing in exact arithmetic, and s_k = max|x_k|^α / max|w_k|^(1−α) balances the two (Xiao et al., "SmoothQuant", ICML
2023). The best α differs between layers. Each layer gets the α that minimises the error of its output, which follows
from the layer's statistics alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emberline.engine.records import Floats
from emberline.export.precision.recipe import Activations, Method

from .calibration import Statistics
from .grid import Grid, nearest, product_scales
from .ranges import input_range

#: The values of α that are tried. High ones suit 8-bit activations, low ones the weights of layers with 16-bit ones.
ALPHAS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
#: How far uncentred inputs may reach below zero, as a share of how far they reach above: the values that are tried.
#: Behind a GELU, many channels hardly rise above zero. Narrowing them leaves more steps of the grid to the others.
ROOMS: Final = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.125, 0.08)
#: The share of the error of rounding to nearest that `rounding` leaves; measured on MiniLM: 0.15 to 0.25.
_REMAINS: Final = 0.2
#: Kinds of layers whose inputs are centred: the layer norm or the attention's values in front of them have a bias that
#: can subtract the centre of each channel, and a bias behind them can add it again.
CENTRED: Final = frozenset({"attention_in", "attention_out", "ffn_up"})
#: How far the grid of an input reaches beyond what calibration saw. With 16 bits it has room for every outlier. With 8
#: bits, this margin helps the worst texts and costs the others nothing.
_MARGIN_16BIT: Final = 2.0
_MARGIN: Final = 1.15


def smooth(
    statistics: Statistics, weight: Floats, *, is_16bit: bool, centred: bool, alpha: float | None = None
) -> tuple[Floats, float]:
    """Choose the divisors of a layer's inputs.

    Args:
        statistics: the statistics of its inputs.
        weight: its weight (K, N).
        is_16bit: whether the inputs are stored in 16 bits.
        centred: whether the inputs reach as far below zero as above.
        alpha: the α to use; None: the best of `ALPHAS`.

    Returns:
        The divisors (K,), whose geometric mean is 1, and their α.
    """
    tried: dict[tuple[float, float], tuple[float, Floats]] = {}

    def error(strength: float, room: float) -> float:
        if (strength, room) not in tried:
            divisors = _divisors(statistics, weight, strength, room)
            tried[strength, room] = _error(statistics, weight, divisors, is_16bit=is_16bit), divisors
        return tried[strength, room][0]

    strengths, room = ALPHAS if alpha is None else (alpha,), ROOMS[0]
    best = min(strengths, key=lambda one: error(one, room))
    if not centred:
        room = min(ROOMS, key=lambda one: error(best, one))
        best = min(strengths, key=lambda one: error(one, room))
    return tried[best, room][1], best


def _divisors(statistics: Statistics, weight: Floats, alpha: float, room: float) -> Floats:
    """The divisors that share the spread of the inputs with the weight; inputs reach `room` times as far below 0."""
    widest = np.maximum(np.maximum(-statistics.low / room, statistics.high), 1e-5)
    heaviest = np.maximum(np.abs(weight).max(axis=1), 1e-5)
    divisors = widest**alpha / heaviest ** (1 - alpha)
    return np.asarray(divisors / np.exp(np.log(divisors).mean()), np.float32)


def input_grid(
    statistics: Statistics, divisors: Floats, activations: Activations, *, is_16bit: bool, method: Method = "minmax"
) -> Grid:
    """The grid of a layer's smoothed inputs; with 16 bits, the grid of their coarse part."""
    low, high = input_range(statistics, divisors, method)
    margin = _MARGIN_16BIT if is_16bit else _MARGIN if method == "minmax" else 1.0
    return Grid.over(margin * low, margin * high, activations)


def noise(grid: Grid, *, is_16bit: bool) -> float:
    """The variance that rounding to a grid adds to each input: Δ²/12 for steps of Δ."""
    step = float((grid.of_rest("uint8") if is_16bit else grid).scale)
    return step**2 / 12


def _error(statistics: Statistics, weight: Floats, divisors: Floats, *, is_16bit: bool) -> float:
    """The mean squared error that quantisation would cause in a layer's output, up to the constant 1/N."""
    smoothed = weight * divisors[:, None]
    scales = product_scales(smoothed)
    wrong = (nearest(smoothed, scales) * scales - smoothed) / divisors[:, None]  # in terms of the unsmoothed inputs
    rounding = float(((statistics.moments @ wrong) * wrong).sum())
    grid = input_grid(statistics, divisors, "uint8", is_16bit=is_16bit)
    return noise(grid, is_16bit=is_16bit) * float((smoothed**2).sum()) + _REMAINS * rounding
