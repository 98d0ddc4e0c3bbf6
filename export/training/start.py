"""Where training starts: items where the teacher puts them, users as the mean of what they like."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import Ridge
from torch import nn

from emberline.export.model import Emberline, ItemTower

from .bank import Bank
from .examples import Examples, Floats
from .table import ItemTable
from .teacher import Teacher

#: Ridge penalty for inputs of unit length; found on inner splits of MovieLens-100K.
PENALTY = 6.0
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


@torch.no_grad()
def fit_text(model: Emberline, bank: Bank, table: ItemTable, examples: Examples) -> None:
    """Set what the item tower reads from texts alone, by ridge regression to the table's `aim`.

    Args:
        model: its item tower is set.
        bank: of the encoder as it is.
        table: what is to be met.
        examples: what the texts tell, and which items are known.
    """
    tower = model.item_tower
    hidden = model.config.hidden
    inputs = text_inputs(tower, bank.items.numpy(), examples)
    known = examples.known
    fit = Ridge(alpha=PENALTY).fit(inputs[known], table.aim.numpy()[known])
    weight = torch.from_numpy(fit.coef_.astype(np.float32))
    tower.text.weight.copy_(weight[:, :hidden])
    tower.described.weight.copy_(weight[:, hidden:])
    tower.text.bias.copy_(torch.from_numpy(fit.intercept_.astype(np.float32)))


def text_inputs(tower: ItemTower, items: Floats, examples: Examples) -> Floats:
    """(n, H + A + N) what items are placed by, of the vectors (n, H) of their complete texts."""
    return np.concatenate([items, tower.emphasis.numpy() * examples.told], axis=1)
