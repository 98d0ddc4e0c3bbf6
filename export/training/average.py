"""The mean of weights over steps: less noisy than the last step's (Izmailov et al., "Averaging Weights Leads to Wider
Optima and Better Generalization", UAI 2018).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .lora import whole_weights


@dataclass(slots=True)
class Average:
    """The mean of a module's weights.

    Attributes:
        count: of how many steps.
        weights: by parameter.
    """

    count: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def add(self, module: nn.Module) -> None:
        """Take the weights of one more step."""
        self.count += 1
        for name, weight in whole_weights(module):
            if self.count == 1:
                self.weights[name] = weight.detach().clone()
            else:
                self.weights[name].lerp_(weight, 1 / self.count)

    @torch.no_grad()
    def give(self, module: nn.Module) -> None:
        """Set a module's weights to the mean, if there is one."""
        for name, weight in module.named_parameters():
            if name in self.weights:
                weight.copy_(self.weights[name])
