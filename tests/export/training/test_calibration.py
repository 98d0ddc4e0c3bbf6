from __future__ import annotations

import numpy as np
import torch

from emberline.export.evaluation.calibration import expected_calibration_error
from emberline.export.model import MatchHead, ModelConfig
from emberline.export.training.calibration import calibrate


def _head() -> MatchHead:
    return MatchHead(ModelConfig({"hidden_size": 8}, (), (), (1.0, 5.0), dimensions=3, tower_width=4))


def test_calibration_mends_overconfidence() -> None:
    """Logits four times too large are brought back to what happens."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    liked = rng.random(4000) < 1 / (1 + np.exp(-truth))
    raw = (1 / (1 + np.exp(-4 * truth))).astype(np.float32)
    head = _head()
    assert calibrate(head, raw, liked)
    logit = np.log(raw.astype(np.float64).clip(1e-7, 1 - 1e-7) / (1 - raw.astype(np.float64).clip(1e-7, 1 - 1e-7)))
    mended = 1 / (1 + np.exp(-(logit * head.scale.item() + head.shift.item())))
    assert expected_calibration_error(raw, liked) > 0.1
    assert expected_calibration_error(mended, liked) < 0.03


def test_calibration_applies_to_a_calibrated_head() -> None:
    """Calibrating a calibrated head composes the two maps."""
    head = _head()
    pair = (torch.randn(1, 3), torch.randn(1, 3), torch.zeros(1))
    raw, _ = head(*pair)
    head.scale.fill_(2.0)
    head.shift.fill_(1.0)
    once, _ = head(*pair)
    torch.testing.assert_close(once, raw * 2 + 1)


def test_too_few_rows_change_nothing() -> None:
    """A handful of rows says less than the head itself."""
    head = _head()
    assert not calibrate(head, np.full(20, 0.9, dtype=np.float32), np.arange(20) % 2 == 0)
    assert head.scale == 1
    assert head.shift == 0
