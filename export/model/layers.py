"""Small layers that the towers are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """A linear map plus a correction by one hidden layer; the correction starts at zero."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.linear = linear(inputs, outputs)
        self.hidden = nn.Linear(inputs, width)
        self.drop = nn.Dropout(0.2)
        self.output = linear(width, outputs, bias=False, zero=True)

    def forward(self, inputs: Tensor) -> Tensor:
        """From (…, inputs) to (…, outputs)."""
        correction: Tensor = self.output(self.drop(nn.functional.gelu(self.hidden(inputs))))
        straight: Tensor = self.linear(inputs)
        return straight + correction


def linear(inputs: int, outputs: int, *, bias: bool = True, zero: bool = False) -> nn.Linear:
    """A linear map, from nothing or to nothing where data has no labels; torch warns of those as it initialises them.

    Args:
        inputs: how wide what it reads is.
        outputs: how wide what it gives is.
        bias: whether it has one.
        zero: whether its weight starts at zero.
    """
    made = nn.Linear(max(1, inputs), max(1, outputs), bias=bias)
    made.in_features, made.out_features = inputs, outputs
    with torch.no_grad():
        if zero:
            made.weight.zero_()
        made.weight = nn.Parameter(made.weight[:outputs, :inputs])
        if bias:
            made.bias = nn.Parameter(made.bias[:outputs])
    return made
