"""The item table: in training, a vector and a bias of their own for the items that users met.

Each is what the item's text says plus a correction, and only the correction is trained: weight decay draws it to zero,
so an item that few users met stays where its text puts it. After training, the corrections become the item tower's
memory.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from emberline.export.model import ItemTower

from .bank import Bank
from .examples import Floats, Indexes


class ItemTable(nn.Module):
    """Vectors and biases of n items."""

    text: Tensor

    def __init__(self, count: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("text", torch.zeros(count, dimensions + 1))
        self.correction = nn.Parameter(torch.zeros(count, dimensions + 1))

    def forward(self, forgotten: Tensor) -> Tensor:
        """Vector and bias of every item, (n, D + 1).

        Args:
            forgotten: (n, 1) true for the items to be seen as if they were new, by their text alone.
        """
        return self.text + self.correction.masked_fill(forgotten, 0.0)

    @torch.no_grad()
    def rows(self) -> Tensor:
        """Vector and bias of every item, (n, D + 1), without gradients."""
        return self.text + self.correction

    @torch.no_grad()
    def rebase(self, text: Tensor) -> None:
        """Say anew what the texts say, (n, D + 1); the rows stay as they are."""
        self.correction.add_(self.text - text)
        self.text.copy_(text)


@torch.no_grad()
def remember(tower: ItemTower, bank: Bank, table: ItemTable, popularity: Floats) -> None:
    """Make the table the item tower's memory.

    Args:
        tower: has room for M items.
        bank: of the trained encoder.
        table: the corrections are taken from it.
        popularity: (n,) if there are more than M items, the most popular are remembered.
    """
    chosen: Indexes = np.sort(np.argsort(-popularity, kind="stable")[: len(tower.keys)])
    text = tower.text(bank.items)
    tower.keys.copy_(bank.items[chosen])
    tower.values.copy_((table.rows() - text)[chosen])
