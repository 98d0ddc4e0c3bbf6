"""Turning the vectors so that their first numbers tell most: they can then be cut short.

Scores do not change: users' and items' vectors are turned alike. That leaves to `z` what Kusupati et al., "Matryoshka
Representation Learning", NeurIPS 2022, train for, at no cost to the whole vectors.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from emberline.export.model import Emberline

from .table import ItemTable


@torch.no_grad()
def turn(model: Emberline, table: ItemTable, users: Tensor) -> None:
    """Turn all vectors of a model, and the table's.

    Args:
        model: without a wide part and factors. Its towers are turned; its match head turns back and gives what it gave.
        table: of n items.
        users: (u, D) vectors of users, as they are.
    """
    axes = _axes(users, table.vectors)
    width = len(axes)
    table.vectors.copy_(table.vectors @ axes)
    item, user = model.item_tower, model.user_tower
    for linear in (item.text, item.described):
        linear.weight[:width] = axes.T @ linear.weight[:width]
    item.text.bias[:width] = axes.T @ item.text.bias[:width]
    body = user.body
    for reading in (body.linear, body.hidden):  # a history is made of items' vectors
        reading.weight[:, :width] = reading.weight[:, :width] @ axes
    for writing in (body.linear, body.output):
        writing.weight.copy_(axes.T @ writing.weight)
    body.linear.bias.copy_(axes.T @ body.linear.bias)
    user.attributes.weight.copy_(user.attributes.weight @ axes)
    model.match.axes.copy_(model.match.axes @ axes)


def _axes(users: Tensor, items: Tensor) -> Tensor:
    """(D, D) orthonormal columns, those along which scores differ most first."""
    one, other = (vectors.numpy().astype(np.float64) for vectors in (users, items))
    moments = (one.T @ one / len(one)) @ (other.T @ other / len(other))
    _, axes = np.linalg.eigh(moments + moments.T)
    return torch.from_numpy(np.ascontiguousarray(axes[:, ::-1]).astype(np.float32))
