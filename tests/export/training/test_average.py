from __future__ import annotations

import torch
from torch import nn

from emberline.export.training.average import Average


def test_the_mean_of_the_weights() -> None:
    """After three steps, the weights given are their mean."""
    module, average = nn.Linear(1, 1, bias=False), Average()
    for value in (1.0, 2.0, 6.0):
        nn.init.constant_(module.weight, value)
        average.add(module)
    average.give(module)
    torch.testing.assert_close(module.weight.detach(), torch.tensor([[3.0]]))


def test_without_steps_nothing_changes() -> None:
    """The mean of nothing leaves the weights as they are."""
    module = nn.Linear(1, 1)
    before = module.weight.detach().clone()
    Average().give(module)
    assert torch.equal(module.weight, before)
