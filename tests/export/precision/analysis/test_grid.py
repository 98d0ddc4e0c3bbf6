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
    """Whatever lies between the bounds is off by no more than half a step, and zero, which padding is, by nothing."""
    low, high = sorted((one, other))
    grid = Grid.over(low, high, activations)
    values = np.linspace(low, high, 50, dtype=np.float32)
    off = np.abs(grid.rounded(values, activations) - values)
    assert off.max() <= 0.5005 * grid.scale  # the rest is float32's own rounding
    assert grid.rounded(np.zeros(1, np.float32), activations)[0] == 0


@pytest.mark.parametrize("activations", get_args(Activations))
@given(one=BOUNDS, other=BOUNDS)
def test_two_parts_lose_next_to_nothing(activations: Activations, one: float, other: float) -> None:
    """What the first part leaves, the second holds: together they lose a thousandth of what the first loses."""
    low, high = sorted((one, other))
    grid = Grid.over(low, high, activations)
    # Away from the ends, where a margin keeps the values of layers that are stored so.
    values = np.linspace(0.9 * low, 0.9 * high, 50).astype(np.float32)
    coarse = grid.rounded(values, activations)
    rest = grid.of_rest(activations).rounded(values - coarse, activations)
    assert np.abs(coarse + rest - values).max() <= grid.scale / 200


def test_int8_activations_are_symmetric() -> None:
    """TensorRT knows no zero point but 0, and −127 to 127 around it."""
    grid = Grid.over(-1.0, 4.0, "int8")
    assert grid.zero_point == 0
    assert grid.scale == pytest.approx(4 / 127)


def test_weights_use_their_columns_whole_grid() -> None:
    """The greatest entry of each column is the grid's last, however small the column; an empty one stays zero."""
    weight = np.array([[1.0, -0.001, 0.0], [0.5, 0.0005, 0.0]], np.float32)
    steps = nearest(weight, weight_scales(weight))
    np.testing.assert_array_equal(steps, [[127, -127, 0], [64, 64, 0]])


def test_neighbours_of_one_sign_fit_into_16_bits() -> None:
    """Two products with inputs of 255, added as a processor without VNNI adds them; others than neighbours are free."""
    weight = np.array([[1.0, 1.0], [0.6, -1.0], [0.9, 1.0]], np.float32)
    steps = nearest(weight, product_scales(weight))
    np.testing.assert_array_equal(steps, [[80, 127], [48, -127], [72, 127]])
    assert 255 * steps[:2].sum(axis=0).max() <= np.iinfo(np.int16).max
