from __future__ import annotations

import numpy as np
import pytest

from emberline.engine.records import Floats
from emberline.export.precision.analysis.calibration import Statistics
from emberline.export.precision.analysis.grid import Grid, nearest, product_scales, weight_scales
from emberline.export.precision.analysis.ranges import input_range
from emberline.export.precision.analysis.smoothing import ALPHAS, ROOMS, input_grid, noise, smooth

WIDE = 3


@pytest.fixture(scope="module")
def inputs() -> Floats:
    """Inputs of 32 channels, one of them thirty times as wide as the others."""
    drawn = np.random.default_rng(0).standard_normal((2000, 32)).astype(np.float32)
    drawn[:, WIDE] *= 30
    return drawn


@pytest.fixture(scope="module")
def seen(inputs: Floats) -> Statistics:
    """The statistics of the inputs."""
    wide = inputs.astype(np.float64)
    return Statistics(inputs.min(axis=0), inputs.max(axis=0), wide.mean(axis=0), wide.T @ wide / len(wide), inputs)


@pytest.fixture(scope="module")
def weight() -> Floats:
    """The weight (32, 16)."""
    return np.random.default_rng(1).standard_normal((32, 16)).astype(np.float32)


def _output_error(inputs: Floats, weight: Floats, divisors: Floats, seen: Statistics) -> float:
    """The error of the layer's output with rounding as in ONNX."""
    grid: Grid = input_grid(seen, divisors, "uint8", is_16bit=False)
    steps = np.clip(np.rint(inputs / divisors / grid.scale) + grid.zero_point, 0, 255) - grid.zero_point
    smoothed = weight * divisors[:, None]
    scales = weight_scales(smoothed)
    output = (steps * grid.scale) @ (nearest(smoothed, scales) * scales)
    return float(((output - inputs @ weight) ** 2).mean())


def test_a_wide_channel_is_narrowed(inputs: Floats, seen: Statistics, weight: Floats) -> None:
    """The wide channel has the largest divisor, and the output loses less than without smoothing."""
    divisors, alpha = smooth(seen, weight, is_16bit=False, centred=True)
    assert divisors.argmax() == WIDE
    assert np.log(divisors).mean() == pytest.approx(0, abs=1e-4)
    assert alpha in ALPHAS
    plain = np.ones_like(divisors)
    assert _output_error(inputs, weight, divisors, seen) < 0.3 * _output_error(inputs, weight, plain, seen)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_divisors_are_those_of_the_paper(seen: Statistics, weight: Floats, alpha: float) -> None:
    """max|x|^α / max|w|^(1−α), up to a common factor: at α = 1 the inputs alone decide, at α = 0 the weights alone."""
    uneven = weight * np.geomspace(0.01, 100, 32, dtype=np.float32)[:, None]
    divisors, taken = smooth(seen, uneven, is_16bit=False, centred=True, alpha=alpha)
    widest = np.maximum(np.abs(seen.low), np.abs(seen.high)).astype(np.float64)
    heaviest = np.abs(uneven).max(axis=1).astype(np.float64)
    expected = np.exp(alpha * np.log(widest) - (1 - alpha) * np.log(heaviest))
    np.testing.assert_allclose(divisors, expected / np.exp(np.log(expected).mean()), rtol=1e-4)
    assert taken == alpha


def test_of_all_strengths_the_best_is_taken(inputs: Floats, seen: Statistics, weight: Floats) -> None:
    """No other α has a much smaller error, and the divisors are those of the returned α."""
    best, alpha = smooth(seen, weight, is_16bit=False, centred=True)
    tried = {one: smooth(seen, weight, is_16bit=False, centred=True, alpha=one)[0] for one in ALPHAS}
    np.testing.assert_array_equal(best, tried[alpha])
    errors = {one: _output_error(inputs, weight, divisors, seen) for one, divisors in tried.items()}
    assert errors[alpha] < 1.1 * min(errors.values()) < 0.5 * max(errors.values())


def test_inputs_of_16_bits_leave_the_weights_in_peace(seen: Statistics, weight: Floats) -> None:
    """With 16-bit activations less of their spread is moved into the weights."""
    assert smooth(seen, weight, is_16bit=True, centred=True)[1] < smooth(seen, weight, is_16bit=False, centred=True)[1]


def test_inputs_of_16_bits_have_a_margin(seen: Statistics) -> None:
    """16-bit grids reach twice as far as the inputs, 8-bit grids 1.15 times; the former are a hundred times finer."""
    plain = np.ones(32, np.float32)
    coarse = input_grid(seen, plain, "uint8", is_16bit=False)
    wide = input_grid(seen, plain, "uint8", is_16bit=True)
    assert wide.scale == pytest.approx(2 / 1.15 * coarse.scale)
    assert noise(wide, is_16bit=True) < noise(coarse, is_16bit=False) / 10_000


def test_channels_that_are_always_zero_are_left_finite(weight: Floats) -> None:
    """A channel or a row of the weight that is zero causes no division by zero."""
    nothing = np.zeros(32, np.float32)
    dead = Statistics(nothing, nothing, nothing.astype(np.float64), np.zeros((32, 32)), nothing[None])
    for centred in (True, False):
        divisors, _ = smooth(dead, np.zeros_like(weight), is_16bit=False, centred=centred)
        assert np.isfinite(divisors).all()


def test_behind_a_gelu_little_room_is_left_below_zero(weight: Floats) -> None:
    """Channels that hardly rise above zero are narrowed, which leaves more steps of the grid to the others."""
    drawn = 2 * np.random.default_rng(3).standard_normal((2000, 32))
    drawn[:, :8] = -np.abs(drawn[:, :8]) - 0.5  # such channels
    inputs = np.asarray(drawn / (1 + np.exp(-1.702 * drawn)), np.float32)
    wide = inputs.astype(np.float64)
    seen = Statistics(inputs.min(axis=0), inputs.max(axis=0), wide.mean(axis=0), wide.T @ wide / len(wide), inputs)
    plain, narrow = (smooth(seen, weight, is_16bit=False, centred=one, alpha=1.0)[0] for one in (True, False))
    below = [input_grid(seen, divisors, "uint8", is_16bit=False).zero_point for divisors in (plain, narrow)]
    assert below[1] < 0.5 * below[0]
    assert _output_error(inputs, weight, narrow, seen) < 0.7 * _output_error(inputs, weight, plain, seen)


def _estimate(seen: Statistics, weight: Floats, divisors: Floats, is_16bit: bool) -> float:
    """What quantising so is expected to cost, written out: the inputs' noise and a fifth of the weights' rounding."""
    smoothed = weight.astype(np.float64) * divisors[:, None]
    low, high = float((seen.low / divisors).min()), float((seen.high / divisors).max())
    margin = 2.0 if is_16bit else 1.15
    step = margin * (max(high, 0) - min(low, 0)) / 255
    step = step / 254 if is_16bit else step
    scales = product_scales(np.asarray(smoothed, np.float32))
    wrong = (np.rint(smoothed / scales) * scales - smoothed) / divisors[:, None]
    rounding = sum(float(column @ seen.moments @ column) for column in wrong.T)
    return step**2 / 12 * float((smoothed**2).sum()) + 0.2 * rounding


@pytest.mark.parametrize("is_16bit", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_choice_is_what_the_estimate_says(seed: int, is_16bit: bool) -> None:
    """Of all strengths, and for inputs that are not centred of all rooms too, the one with the least estimate."""
    rng = np.random.default_rng(seed)
    inputs = (rng.standard_normal((500, 24)) * np.exp(rng.normal(0, 1, 24)) + rng.normal(1, 0.5, 24)).astype(np.float32)
    wide = inputs.astype(np.float64)
    seen = Statistics(inputs.min(axis=0), inputs.max(axis=0), wide.mean(axis=0), wide.T @ wide / len(wide), inputs)
    weight = (rng.standard_normal((24, 16)) * np.exp(rng.normal(0, 0.5, 24))[:, None]).astype(np.float32)

    def divided(alpha: float, room: float) -> Floats:
        widest = np.maximum(-seen.low.astype(np.float64) / room, seen.high)
        found = widest**alpha / np.abs(weight).max(axis=1).astype(np.float64) ** (1 - alpha)
        return np.asarray(found / np.exp(np.log(found).mean()), np.float32)

    def cost(alpha: float, room: float) -> float:
        return _estimate(seen, weight, divided(alpha, room), is_16bit)

    alpha = min(ALPHAS, key=lambda one: cost(one, 1.0))
    divisors, taken = smooth(seen, weight, is_16bit=is_16bit, centred=True)
    assert taken == alpha
    np.testing.assert_allclose(divisors, divided(alpha, 1.0), rtol=1e-3)
    room = min(ROOMS, key=lambda one: cost(alpha, one))
    divisors, taken = smooth(seen, weight, is_16bit=is_16bit, centred=False)
    assert taken == min(ALPHAS, key=lambda one: cost(one, room))
    np.testing.assert_allclose(divisors, divided(taken, room), rtol=1e-3)


def test_what_is_tried_is_a_share() -> None:
    """Strengths are above 0 and up to 1, rooms likewise, beginning with as much below zero as above."""
    assert list(ALPHAS) == sorted(ALPHAS)
    assert list(ROOMS) == sorted(ROOMS, reverse=True)
    assert (ROOMS[0], ALPHAS[-1]) == (1.0, 1.0)
    assert ALPHAS[0] > 0.25
    assert 0.05 < ROOMS[-1] < 0.1
    assert len(set(ALPHAS)) == len(set(ROOMS)) == 8


def test_margins_are_beyond_what_was_seen(seen: Statistics) -> None:
    """Ranges of all that was seen have a margin of 15 %, with 16 bits of 100 %; ranges that clip have none."""
    plain = np.ones(32, np.float32)
    width = float(seen.high.max() - seen.low.min())
    assert input_grid(seen, plain, "uint8", is_16bit=False).scale == pytest.approx(1.15 * width / 255)
    assert input_grid(seen, plain, "uint8", is_16bit=True).scale == pytest.approx(2 * width / 255)
    low, high = input_range(seen, plain, "percentile")
    clipped = input_grid(seen, plain, "uint8", is_16bit=False, method="percentile")
    assert clipped.scale == pytest.approx((high - low) / 255)


def test_noise_is_a_twelfth_of_a_step_squared() -> None:
    """With 16 bits the steps are those of the rest, 254 times as fine."""
    grid = Grid(np.float32(0.5), 3)
    assert noise(grid, is_16bit=False) == pytest.approx(0.25 / 12)
    assert noise(grid, is_16bit=True) == pytest.approx((0.5 / 254) ** 2 / 12)
