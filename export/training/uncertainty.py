"""Tasks weighed by their uncertainty: how much each counts is learnt with all else.

Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics",
CVPR 2018: a task's loss is divided by a variance, and the variance has its price, so that it does not grow for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

#: The tasks, in the order in which their variances are kept.
TASKS: Final = ("user", "item", "pair")
#: Learning rate of the variances beside that of the towers: they have far to go, in a few hundred steps.
RATE: Final = 10.0
#: By loss, its task; all others are of the pair task.
_OF: Final[Mapping[str, str]] = {"behaviour": "user", "rating": "user", "next attributes": "user", "attributes": "item"}


class Uncertainty(nn.Module):
    """The logarithms of the tasks' variances.

    Attributes:
        log_variances: (3,), of `TASKS`; 0, where all count by their weights in the settings alone, at the start.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_variances = nn.Parameter(torch.zeros(len(TASKS)))

    def forward(self, parts: Mapping[str, tuple[float, Tensor]]) -> tuple[Tensor, dict[str, float]]:
        """The losses' sum, weighed.

        Args:
            parts: the losses, each with its weight in the settings, by name.

        Returns:
            The sum, and by what each task that has a loss was weighed, as ``weight of user``.
        """
        total, weights = torch.zeros(()), {}
        for task, log_variance in zip(TASKS, self.log_variances, strict=True):
            own = [weight * loss for name, (weight, loss) in parts.items() if _OF.get(name, "pair") == task]
            if own:
                weight = torch.exp(-log_variance)
                total = total + weight * torch.stack(own).sum() + log_variance / 2
                weights[f"weight of {task}"] = float(weight.detach())
        return total, weights
