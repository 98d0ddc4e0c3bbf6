import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from emberline.engine.batching.cost_model import CostModel, Sample, fit

SHAPES = [(1, 8), (4, 8), (16, 8), (1, 32), (8, 32), (1, 128), (2, 128)]
#: MiniLM-L6 in int8 on one core, seconds.
TRUTH = CostModel(1.2e-3, 8.0e-5, 1.3e-7)


def _samples(costs: CostModel) -> list[Sample]:
    return [Sample(texts, length, costs.batch(texts, length)) for texts, length in SHAPES]


@settings(deadline=None)  # the first call of a linear-algebra library takes long on a busy machine
@given(st.builds(CostModel, st.floats(1e-4, 1), st.floats(1e-6, 1), st.floats(0, 1e-3)))
def test_the_coefficients_are_found_again(costs: CostModel) -> None:
    """Measurements that follow the model give it back."""
    fitted = fit(_samples(costs))
    for texts, length in SHAPES:
        assert fitted.batch(texts, length) == pytest.approx(costs.batch(texts, length), rel=1e-3)


def test_noise_moves_the_prediction_less_than_itself() -> None:
    """Measurements that are off by a tenth either way give a model that is off by less."""
    generator = np.random.default_rng(3)
    for _ in range(20):
        noisy = [
            Sample(sample.texts, sample.length, sample.seconds * generator.uniform(0.9, 1.1))
            for sample in _samples(TRUTH) * 4
        ]
        assert fit(noisy).batch(4, 32) == pytest.approx(TRUTH.batch(4, 32), rel=0.1)


@settings(deadline=None)  # the first call of a linear-algebra library takes long on a busy machine
@given(
    st.lists(
        st.builds(Sample, st.integers(1, 32), st.integers(1, 128), st.floats(1e-6, 10)),
        min_size=1,
        max_size=12,
    )
)
def test_more_never_costs_less(samples: list[Sample]) -> None:
    """Whatever was measured, the fitted time does not fall with texts or tokens, and is not negative."""
    costs = fit(samples)
    assert min(costs.call, costs.token, costs.square) >= 0
    assert costs.batch(1, 1) >= 0
    assert costs.batch(4, 32) <= costs.batch(5, 32)
    assert costs.batch(4, 32) <= costs.batch(4, 33)


def test_an_ample_batch_has_little_left_to_gain() -> None:
    """The more a call costs relative to its tokens, the more tokens a batch may have; a single text always fits."""
    ample = TRUTH.ample(32)
    assert TRUTH.call < 0.04 * TRUTH.batch(ample // 32, 32)
    assert CostModel(1.0, 1e-4, 0.0).ample(32) > 100 * ample
    assert CostModel(0.0, 1.0, 0.0).ample(32) == 32


@pytest.mark.parametrize(("call", "tokens"), [(1.0, 4000), (0.1, 400), (0.001, 10)])
def test_in_an_ample_batch_the_call_is_a_fortieth(call: float, tokens: int) -> None:
    """So many tokens cost forty times the call; a batch of one text may always be as long as it is."""
    assert CostModel(call, 0.01, 0.0).ample(10) == tokens


def test_short_batches_weigh_as_much_as_long_ones() -> None:
    """Errors count as shares of what was measured: of 1 s and 2 s for the same batch the best single value is 1.2 s."""
    assert fit([Sample(1, 1, 1.0), Sample(1, 1, 2.0)]).batch(1, 1) == pytest.approx(1.2)


@given(
    st.lists(
        st.builds(Sample, st.integers(1, 32), st.integers(1, 128), st.floats(1e-4, 1)),
        min_size=1,
        max_size=12,
    )
)
def test_the_fit_is_the_best_without_negative_coefficients(samples: list[Sample]) -> None:
    """No other coefficients are off by less, in the squares of relative errors, than those of scipy's solver."""
    relative = np.array([[1.0, one.texts * one.length, one.texts * one.length**2] for one in samples])
    relative /= np.array([[one.seconds] for one in samples])
    _, least = nnls(relative, np.ones(len(samples)))
    fitted = fit(samples)
    error = float(np.linalg.norm(relative @ [fitted.call, fitted.token, fitted.square] - 1.0))
    assert error <= least + 1e-5


def test_times_that_do_not_grow_are_those_of_calls() -> None:
    """If longer batches took less time, a constant is the best that is not negative; the same for each part."""
    flat = fit([Sample(1, 8, 1.2), Sample(1, 64, 1.1), Sample(1, 128, 1.0)])
    assert (flat.token, flat.square) == (0.0, 0.0)
    assert 1.0 < flat.call < 1.2
    bent = fit([Sample(1, length, 0.1 + 0.01 * length - 2e-5 * length**2) for length in (8, 32, 64, 128)])
    assert bent.square == 0.0
    assert bent.call > 0
    assert bent.token > 0
