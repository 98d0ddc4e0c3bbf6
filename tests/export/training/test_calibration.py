from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from emberline.export.evaluation.calibration import expected_calibration_error
from emberline.export.model import MatchHead, ModelConfig
from emberline.export.training.calibration import calibrate
from emberline.export.training.trained import Floats

#: Items that are all alike; a little noise, since of a constant nothing can be fitted.
NO_BIAS = np.random.default_rng(9).normal(scale=0.01, size=20_000).astype(np.float32)


def _head() -> MatchHead:
    return MatchHead(ModelConfig({"hidden_size": 8}, (), (), (1.0, 5.0), dimensions=3, tower_width=4))


def _mended(head: MatchHead, raw: Floats) -> Floats:
    clipped = raw.astype(np.float64).clip(1e-7, 1 - 1e-7)
    logits = torch.from_numpy(np.log(clipped / (1 - clipped)).astype(np.float32))
    return np.asarray(head.calibrated(logits, torch.zeros(len(raw))).sigmoid().numpy(), dtype=np.float32)


def test_calibration_mends_overconfidence() -> None:
    """Logits four times too large are brought back to what happens."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    liked = rng.random(4000) < 1 / (1 + np.exp(-truth))
    raw = (1 / (1 + np.exp(-4 * truth))).astype(np.float32)
    head = _head()
    assert calibrate(head, raw, NO_BIAS[: len(raw)], liked)
    mended = _mended(head, raw)
    assert expected_calibration_error(raw, liked) > 0.1
    assert expected_calibration_error(mended, liked) < 0.03


def test_calibration_mends_one_side() -> None:
    """A head that is too sure of dislikes alone is mended there without spoiling the other side."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=20_000)
    liked = rng.random(20_000) < 1 / (1 + np.exp(-truth))
    raw = (1 / (1 + np.exp(-np.where(truth < 0, 3 * truth, truth)))).astype(np.float32)
    head = _head()
    assert calibrate(head, raw, NO_BIAS[: len(raw)], liked)
    mended = _mended(head, raw)
    assert expected_calibration_error(raw, liked) > 0.05
    assert expected_calibration_error(mended, liked) < 0.02


def test_calibration_mends_what_is_made_of_popularity() -> None:
    """A head that knows nothing of popularity is told."""
    rng = np.random.default_rng(0)
    truth, bias = rng.normal(size=(2, 20_000)).astype(np.float32)
    liked = rng.random(20_000) < 1 / (1 + np.exp(-truth - bias))
    raw = (1 / (1 + np.exp(-truth))).astype(np.float32)
    head = _head()
    assert calibrate(head, raw, bias, liked)
    mended = head.calibrated(torch.from_numpy(truth), torch.from_numpy(bias)).sigmoid().numpy()
    assert roc_auc_score(liked, mended) > roc_auc_score(liked, raw) + 0.03
    assert expected_calibration_error(mended, liked) < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_the_more_probable_stays_the_more_probable(seed: int) -> None:
    """Calibration keeps the order, also of probabilities beyond those it was fitted on."""
    rng = np.random.default_rng(seed)
    raw = rng.random(2000).astype(np.float32)
    liked = rng.random(2000) < np.where(raw < 0.5, 0.5 + 0.2 * rng.random(), raw)
    head = _head()
    assert calibrate(head, raw, NO_BIAS[: len(raw)], liked)
    assert (np.diff(_mended(head, np.linspace(1e-6, 1 - 1e-6, 5000).astype(np.float32))) >= 0).all()


def test_an_uncalibrated_head_gives_its_logits() -> None:
    """Without calibration the curve is the identity."""
    logits = torch.tensor([-20.0, 0.0, 3.0])
    torch.testing.assert_close(_head().calibrated(logits, torch.randn(3)), logits)


def test_too_few_rows_change_nothing() -> None:
    """A handful of rows says less than the head itself."""
    head = _head()
    assert not calibrate(head, np.full(20, 0.9, dtype=np.float32), NO_BIAS[:20], np.arange(20) % 2 == 0)
    assert head.curve.tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(("fewest", "enough"), [(49, False), (50, True)])
def test_fifty_rows_of_either_kind_are_enough(fewest: int, enough: bool) -> None:
    """It is the rarer of likes and dislikes that counts."""
    rng = np.random.default_rng(0)
    raw = rng.random(1000).astype(np.float32)
    for rare in (True, False):
        liked = np.full(1000, not rare)
        liked[:fewest] = rare
        assert calibrate(_head(), raw, NO_BIAS[:1000], liked) is enough
