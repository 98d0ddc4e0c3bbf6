from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emberline.export import pretrained
from emberline.export.training.examples import Examples
from emberline.export.training.warmup import TEMPERATURE, WarmUp, contrast


def test_each_rendering_is_to_find_its_other_one() -> None:
    """Of two items at right angles, the loss is that of a softmax over the cosines, both ways."""
    one = torch.eye(2)
    none = torch.zeros(2, 2, dtype=torch.bool)
    assert contrast(one, one, none).item() == pytest.approx(np.log1p(np.exp(-1 / TEMPERATURE)), abs=1e-6)
    assert contrast(one, one.flip(0), none).item() == pytest.approx(1 / TEMPERATURE, abs=1e-4)


def test_items_that_read_the_same_are_no_negatives() -> None:
    """They are left out of the softmax, which then has nothing to tell apart."""
    one = torch.eye(2)
    same = ~torch.eye(2, dtype=torch.bool)
    assert contrast(one, one.flip(0), same).item() == pytest.approx(0.0, abs=1e-6)


def test_the_encoder_learns_to_tell_items_apart(examples: Examples, tiny_bert: Path) -> None:
    """Some steps of descent lower the loss of the same draw."""
    source = pretrained.load(str(tiny_bert), 64)
    warm_up, encoder, columns = WarmUp(examples, source.tokenizer), source.encoder.eval(), np.arange(8)

    def loss() -> torch.Tensor:
        return warm_up(encoder, np.random.default_rng(0), columns)[0]

    before = loss().item()
    descent = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    for _ in range(5):
        descent.zero_grad()
        loss().backward()
        descent.step()
    assert loss().item() < before
