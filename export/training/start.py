"""Where training starts: items where the teacher puts them, users as the mean of what they like."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from emberline.export.model import Emberline, ItemTower

from .examples import Examples, Floats
from .table import ItemTable
from .teacher import Teacher

#: What the body of the user tower makes of a history at first; it learns the rest.
ECHO = 0.3


@torch.no_grad()
def start(model: Emberline, table: ItemTable, teacher: Teacher | None, popularity: Floats, users: int) -> None:
    """Set the table, and what the user tower makes of histories.

    Args:
        model: its user tower is set.
        table: vectors are the teacher's, about √τ long, and biases what is popular.
        teacher: None: vectors are random.
        popularity: (n,) likes of each item.
        users: u, who gave them.
    """
    if teacher is None:
        nn.init.normal_(table.vectors)
    else:
        table.vectors.copy_(torch.from_numpy(teacher.items))
    table.vectors.mul_(model.config.temperature**0.5 / table.vectors.norm(dim=1).mean().clamp(min=1e-6))
    table.biases.copy_(torch.from_numpy(np.log((popularity + 1) / (users + 1))))
    width = model.config.dimensions
    linear = model.user_tower.body.linear
    linear.weight.zero_()
    linear.bias.zero_()
    linear.weight[:, :width] = ECHO * torch.eye(width)


def text_inputs(tower: ItemTower, items: Floats, examples: Examples) -> Floats:
    """(n, H + A + N) what items are placed by, of the vectors (n, H) of their complete texts."""
    return np.concatenate([items, emphasised(tower, examples)], axis=1)


def emphasised(tower: ItemTower, examples: Examples) -> Floats:
    """(n, A + N) what complete texts tell of items, as much as the item tower makes of it."""
    found: Floats = tower.emphasis.numpy() * examples.indicators
    return found
