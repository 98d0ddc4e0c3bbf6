from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emberline.engine.records import Floats
from emberline.export.precision.analysis.grid import nearest, product_scales
from emberline.export.precision.analysis.rounding import compensated


def _layer(seed: int, channels: int, correlated: bool) -> tuple[Floats, NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((channels, 40)).astype(np.float32)
    inputs = rng.standard_normal((4 * channels, channels))
    if correlated:
        inputs = inputs @ (np.eye(channels) + rng.standard_normal((channels, channels)))
    return weight, inputs.T @ inputs / len(inputs)


def _error(weight: Floats, rounded: NDArray[np.int8], moments: NDArray[np.float64]) -> float:
    wrong = rounded * product_scales(weight) - weight
    return float(np.einsum("kn,kl,ln->", wrong, moments, wrong))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), channels=st.integers(20, 150))
def test_errors_cancel_on_correlated_inputs(seed: int, channels: int) -> None:
    """Compensation makes the error of the layer's output smaller than rounding to nearest."""
    weight, moments = _layer(seed, channels, correlated=True)
    plain = nearest(weight, product_scales(weight)).astype(np.int8)
    rounded = compensated(weight, product_scales(weight), moments)
    assert _error(weight, rounded, moments) < 0.8 * _error(weight, plain, moments)


def test_without_correlation_nothing_can_cancel() -> None:
    """For uncorrelated inputs every weight is rounded to nearest."""
    weight, _ = _layer(0, 100, correlated=False)
    rounded = compensated(weight, product_scales(weight), np.eye(100))
    np.testing.assert_array_equal(rounded, nearest(weight, product_scales(weight)))


def test_channels_that_are_always_zero_do_no_harm() -> None:
    """A channel that is always zero has no moments, and its weights are rounded like the others."""
    weight, moments = _layer(1, 30, correlated=True)
    moments[5], moments[:, 5] = 0.0, 0.0
    rounded = compensated(weight, product_scales(weight), moments)
    np.testing.assert_array_equal(rounded[5], nearest(weight, product_scales(weight))[5])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), channels=st.integers(20, 150))
def test_neighbours_of_one_sign_stay_within_16_bits(seed: int, channels: int) -> None:
    """Pairs stay within their limit when compensation moves them, and with an odd number of channels."""
    weight, moments = _layer(seed, channels, correlated=True)
    rounded = compensated(weight, product_scales(weight), moments).astype(np.int32)
    assert np.abs(rounded).max() <= 127
    even, odd = rounded[: channels // 2 * 2 : 2], rounded[1::2]
    assert np.where(even * odd > 0, np.abs(even + odd), 0).max() <= 128


def _step_by_step(weight: Floats, scales: Floats, moments: NDArray[np.float64]) -> NDArray[np.int8]:
    """The method of the paper, channel by channel, with the inverse taken anew for the channels that are left."""
    rest = weight.astype(np.float64)
    damped = moments + 0.01 * np.diag(moments).mean() * np.eye(len(moments))
    steps = np.zeros(weight.shape)
    left = np.argsort(-np.diag(moments), kind="stable").tolist()
    while left:
        channel = left[0]
        neighbour = steps[channel ^ 1] if channel ^ 1 < len(weight) else np.zeros(weight.shape[1])
        least = np.maximum(-127, -128 - np.minimum(neighbour, 0))
        most = np.minimum(127, 128 - np.maximum(neighbour, 0))
        steps[channel] = np.clip(np.rint(rest[channel] / scales), least, most)
        inverse = np.linalg.inv(damped[np.ix_(left, left)])
        error = (rest[channel] - steps[channel] * scales) / inverse[0, 0]
        rest[left] -= inverse[:, :1] * error
        left = left[1:]
    return steps.astype(np.int8)


@pytest.mark.parametrize("channels", [63, 64, 65, 130])
def test_rounding_is_the_papers(channels: int) -> None:
    """The strongest channel first, each error spread over those that are left, across blocks too."""
    weight, moments = _layer(7, channels, correlated=True)
    moments *= np.outer(np.linspace(0.5, 2, channels), np.linspace(0.5, 2, channels))
    found = compensated(weight, product_scales(weight), moments)
    assert (found == _step_by_step(weight, product_scales(weight), moments)).mean() > 0.98  # but for ties in float32
