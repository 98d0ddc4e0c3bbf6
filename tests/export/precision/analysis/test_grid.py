from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.export.precision.analysis.grid import Grid, nearest, product_scales, weight_scales
from emberline.export.precision.recipe import Activations

BOUNDS = st.floats(-1e4, 1e4, width=32)


@pytest.mark.parametrize("activations", get_args(Activations))
@given(one=BOUNDS, other=BOUNDS)
def test_a_grid_loses_half_a_step_at_most(activations: Activations, one: float, other: float) -> None:
    """Values within the bounds are off by at most half a step, and zero, which is the value of padding, is exact."""
    low, high = sorted((one, other))
    grid = Grid.over(low, high, activations)
    values = np.linspace(low, high, 50, dtype=np.float32)
    off = np.abs(grid.rounded(values, activations) - values)
    assert off.max() <= 0.5005 * grid.scale  # the rest is float32's own rounding
    assert grid.rounded(np.zeros(1, np.float32), activations)[0] == 0


@pytest.mark.parametrize("activations", get_args(Activations))
@given(one=BOUNDS, other=BOUNDS)
def test_two_parts_lose_next_to_nothing(activations: Activations, one: float, other: float) -> None:
    """The second part stores the residual of the first: together they lose a thousandth of what the first loses."""
    low, high = sorted((one, other))
    grid = Grid.over(low, high, activations)
    # Away from the ends, where a margin keeps the values of layers that are stored so.
    values = np.linspace(0.9 * low, 0.9 * high, 50).astype(np.float32)
    coarse = grid.rounded(values, activations)
    rest = grid.of_rest(activations).rounded(values - coarse, activations)
    assert np.abs(coarse + rest - values).max() <= grid.scale / 200


def test_int8_activations_are_symmetric() -> None:
    """The int8 grid is symmetric: its zero point is 0 and its values are −127 to 127."""
    grid = Grid.over(-1.0, 4.0, "int8")
    assert grid.zero_point == 0
    assert grid.scale == pytest.approx(4 / 127)


def test_weights_use_their_columns_whole_grid() -> None:
    """The largest entry of each column is the end of its grid, however small; an empty column stays zero."""
    weight = np.array([[1.0, -0.001, 0.0], [0.5, 0.0005, 0.0]], np.float32)
    steps = nearest(weight, weight_scales(weight))
    np.testing.assert_array_equal(steps, [[127, -127, 0], [64, 64, 0]])


def test_neighbours_of_one_sign_fit_into_16_bits() -> None:
    """The products of two neighbours with inputs of 255 fit into 16 bits; other pairs are not bounded."""
    weight = np.array([[1.0, 1.0], [0.6, -1.0], [0.9, 1.0]], np.float32)
    steps = nearest(weight, product_scales(weight))
    np.testing.assert_array_equal(steps, [[80, 127], [48, -127], [72, 127]])
    assert 255 * steps[:2].sum(axis=0).max() <= np.iinfo(np.int16).max
