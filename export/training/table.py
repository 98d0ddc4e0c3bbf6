"""The item table: in training, a vector and a bias of their own for the items that users met.

The text of an item says where a new item would be put; the table says where this one is. After training, the difference
becomes the item tower's memory.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from emberline.export.model import ItemTower

from .bank import Bank
from .examples import Floats, Indexes


class ItemTable(nn.Module):
    """Vectors and biases of n items.

    Attributes:
        vectors: (n, D).
        biases: (n,).
        aim: (n, D + 1) what the texts shall say: vector and bias of the items, were they new.
        root: (D + 1, D + 1) turns differences of rows into differences of users' scores, in the root of their mean
            square.
    """

    aim: Tensor
    root: Tensor

    def __init__(self, count: int, dimensions: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(count, dimensions))
        self.biases = nn.Parameter(torch.zeros(count))
        self.register_buffer("aim", torch.zeros(count, dimensions + 1))
        self.register_buffer("root", torch.eye(dimensions + 1))

    def forward(self) -> Tensor:
        """Vector and bias of every item, (n, D + 1)."""
        return torch.cat([self.vectors, self.biases[:, None]], dim=1)


@torch.no_grad()
def remember(tower: ItemTower, bank: Bank, table: ItemTable, popularity: Floats, wide: Tensor | None = None) -> None:
    """Make the table the item tower's memory.

    Args:
        tower: in evaluation mode; has room for M items.
        bank: of the trained encoder.
        table: what shall be remembered.
        popularity: (n,) if there are more than M items, the most popular are remembered.
        wide: (n, T + F + 1) what the wide part says of the items; None: there is none.
    """
    chosen: Indexes = np.sort(np.argsort(-popularity, kind="stable")[: len(tower.keys)])
    tower.keys.copy_(tower.whole(bank.items, wide)[chosen])
    tower.values.copy_((table() - tower.read(bank.items, wide=wide))[chosen])
