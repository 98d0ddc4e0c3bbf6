"""Attention that also tells tokens by how far apart they stand, as MPNet's does.

Every head adds a number to its scores that depends on the distance alone, not on the layer: Raffel et al., "Exploring
the Limits of Transfer Learning with a Unified Text-to-Text Transformer", 2020. Distances share buckets, which are the
wider the greater the distance.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

#: Buckets that distances fall into. MPNet's own code knows no other number.
BUCKETS: Final = 32


class DistanceBias(nn.Module):
    """What each head adds to its scores: a table of (buckets, heads), looked up by the distance."""

    bucket: Tensor

    def __init__(self, buckets: int, heads: int, reach: int) -> None:
        """Make room.

        Args:
            buckets: rows of the table, `BUCKETS` or more.
            heads: columns of the table.
            reach: tokens that a text may have.
        """
        super().__init__()
        distances = torch.arange(1 - reach, reach)  # of the token attended to from the one that attends
        self.register_buffer("bucket", MPNetEncoder.relative_position_bucket(distances, BUCKETS), persistent=False)
        self.reach = reach
        # Its name tells quantisation that it is a table, which is stored as the encoder's own are.
        self.bias_embeddings = nn.Embedding(buckets, heads)

    def forward(self, length: int) -> Tensor:
        """(1, heads, L, L) for texts of L tokens."""
        places = torch.arange(length, device=self.bucket.device)
        distance = places.unsqueeze(0) - places.unsqueeze(1)  # (L, L)
        rows: Tensor = self.bias_embeddings(self.bucket[distance + (self.reach - 1)])  # (L, L, heads)
        return rows.permute(2, 0, 1).unsqueeze(0)
