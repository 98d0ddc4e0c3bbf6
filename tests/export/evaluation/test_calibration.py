"""Whether probabilities mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from emberline.engine.errors import InvalidInput
from emberline.export.evaluation.calibration import expected_calibration_error


def test_the_definition() -> None:
    """Two bins of two rows: the mean of |mean prediction − frequency|, whatever the order of the rows."""
    probability, outcome = np.array([0.9, 0.1, 0.3, 0.7]), np.array([False, True, False, True])
    expected = (abs(0.2 - 0.5) + abs(0.8 - 0.5)) / 2  # unsorted, the gaps would cancel out
    assert expected_calibration_error(probability, outcome, bins=2) == pytest.approx(expected)


def test_calibrated_predictions_have_little_error() -> None:
    """Outcomes drawn with the predicted probabilities leave chance's error; halved predictions leave their own."""
    rng = np.random.default_rng(0)
    probability = rng.beta(1, 10, 100_000)
    outcome = rng.random(100_000) < probability
    assert expected_calibration_error(probability, outcome) < 0.005
    assert expected_calibration_error(probability / 2, outcome) == pytest.approx(probability.mean() / 2, abs=0.005)


def test_fewer_rows_than_bins() -> None:
    """With fewer rows than bins each row is a bin."""
    assert expected_calibration_error(np.array([0.25]), np.array([True])) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("probability", "outcome", "message"),
    [
        ([0.5], [True, False], "outcome: has the shape"),
        ([], [], "give one for each prediction"),
        ([1.5], [True], "probability: has values that are not within 0 and 1"),
        ([np.nan], [True], "probability: has values that are not within 0 and 1"),
    ],
)
def test_what_is_no_prediction_is_refused(probability: list[float], outcome: list[bool], message: str) -> None:
    """Predictions without outcomes, none at all, and logits are refused."""
    with pytest.raises(InvalidInput, match=message):
        expected_calibration_error(np.array(probability), np.array(outcome, dtype=np.bool_))
