"""The wide part: what a text's word pieces say by themselves, beside what the encoder makes of the whole text.

A small encoder blurs what names, brands and series are called. One row of numbers for each piece, and for each pair of
pieces that follow each other, tells them apart: Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WordRows(nn.Module):
    """Token ids to W numbers: the sum of the rows of the known pieces and pairs, over the length of their weights.

    P pieces are known, numbered from 1; 0 stands for all others and for padding. A pair (left, right) of them has its
    place at ``starts[left] + right`` among S places, if ``pairs`` names it there: any other pair is unknown.
    """

    pieces: Tensor
    starts: Tensor
    pairs: Tensor
    rows: Tensor

    def __init__(self, vocabulary: int, pieces: int, places: int, rows: int, width: int) -> None:
        """Make room.

        Args:
            vocabulary: token ids that there may be.
            pieces: P.
            places: S.
            rows: R, of the pieces, of the pairs, and one of zeros for all that is unknown.
            width: W.
        """
        super().__init__()
        self.count = pieces + 1
        self.register_buffer("pieces", torch.zeros(vocabulary, dtype=torch.int64))
        self.register_buffer("starts", torch.zeros(pieces + 1, dtype=torch.int64))
        self.register_buffer("pairs", torch.full((places,), -1, dtype=torch.int64))
        self.register_buffer("rows", torch.zeros(places, dtype=torch.int64))
        # Its name tells quantisation that it is a table, which is stored as the encoder's own are. The last column is
        # the square of the row's weight.
        self.row_embeddings = nn.Embedding(rows, width + 1)
        self.row_embeddings.requires_grad_(requires_grad=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, W), zeros for a text of which nothing is known.

        Args:
            input_ids: (B, L) int64.
            attention_mask: (B, L) int64.
        """
        number = self.pieces[input_ids] * attention_mask  # (B, L)
        left, right = number[:, :-1], number[:, 1:]
        place = self.starts[left] + right  # (B, L - 1)
        known = (self.pairs[place] == left * self.count + right).to(number.dtype)
        pair = self.rows[place] * known
        summed = self.row_embeddings(number).sum(dim=1) + self.row_embeddings(pair).sum(dim=1)  # (B, W + 1)
        found: Tensor = summed[:, :-1] / summed[:, -1:].clamp(min=1e-6).sqrt()
        return found
