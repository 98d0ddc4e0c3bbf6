"""Texts as their word pieces and pairs of pieces, weighed by rarity: what the wide part is fitted to.

The features are those of `WordRows`, to the last one: each token counts as the square root of its share in the text's
summed squares of weights, so that a text's features are about of unit length, whatever its length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer

from emberline.export.model import WordRows

from .examples import Floats

Ids = NDArray[np.int64]

#: Items that a pair has to occur in: what occurs in one alone tells nothing of another item.
SHARED: Final = 2
#: Rows at most, those of pieces in front and of pairs by how many items have them: 16 MB at 128 numbers each.
ROWS: Final = 32_768


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces and pairs that are known, with their weights.

    Attributes:
        pieces: token ids, ascending; the first is feature 0.
        pairs: token ids of neighbours; their features follow those of the pieces.
        weights: (features,) of each: the logarithm of how rare it is among the items.
        vocabulary: token ids that there may be.
    """

    pieces: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    weights: Floats
    vocabulary: int

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]], vocabulary: int) -> Pieces:
        """Take those that occur in some texts, given as token ids without special tokens."""
        pieces = Counter(piece for ids in texts for piece in set(ids))
        pairs = Counter(pair for ids in texts for pair in set(pairwise(ids)))
        known = sorted(pieces)
        room = max(0, ROWS - len(known) - 1)
        shared = sorted((-count, pair) for pair, count in pairs.items() if count >= SHARED)[:room]
        found = [pair for _, pair in shared]
        counts = np.asarray([pieces[piece] for piece in known] + [pairs[pair] for pair in found], dtype=np.float64)
        rarity = np.log((1 + len(texts)) / (1 + counts)) + 1
        return cls(tuple(known), tuple(found), rarity.astype(np.float32), vocabulary)

    def features(self, texts: Sequence[Sequence[int]]) -> csr_matrix:
        """(N, features) of N texts, given as token ids."""
        piece = {one: place for place, one in enumerate(self.pieces)}
        pair = {one: place for place, one in enumerate(self.pairs, start=len(self.pieces))}
        rows, columns, values = [], [], []
        for row, ids in enumerate(texts):
            places = [piece[one] for one in ids if one in piece] + [pair[one] for one in pairwise(ids) if one in pair]
            weights = self.weights[places]
            rows.append(np.full(len(places), row))
            columns.append(np.asarray(places, dtype=np.int64))
            values.append(weights / max(1e-3, float(np.sqrt((weights**2).sum()))))
        shape = (len(texts), len(self.weights))
        if not rows:
            return csr_matrix(shape, dtype=np.float32)
        parts = (np.concatenate(rows), np.concatenate(columns))
        return csr_matrix((np.concatenate(values).astype(np.float32), parts), shape=shape)  # repeats add up

    def rows(self, coefficients: Floats) -> WordRows:
        """The wide part that gives features times coefficients.

        Args:
            coefficients: (features, W).
        """
        count = len(self.pieces)
        pairs = np.searchsorted(self.pieces, np.reshape(self.pairs, (-1, 2))) + 1  # (pairs, 2)
        starts, taken = _starts(count, pairs)
        places = np.flatnonzero(taken >= 0)
        made = WordRows(self.vocabulary, count, len(taken), len(self.weights) + 1, coefficients.shape[1])
        made.pieces[torch.tensor(self.pieces, dtype=torch.int64)] = torch.arange(1, count + 1)
        made.starts.copy_(torch.from_numpy(starts))
        left, right = pairs.T
        made.pairs[places] = torch.from_numpy((left * (count + 1) + right)[taken[places]])
        made.rows[places] = torch.from_numpy(taken[places] + count + 1)
        table = np.concatenate([coefficients * self.weights[:, None], self.weights[:, None] ** 2], axis=1)
        made.row_embeddings.weight.data.zero_()
        made.row_embeddings.weight.data[1:] = torch.from_numpy(table.astype(np.float32))
        return made


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The token ids of texts, those of special tokens left out."""
    return [
        [one for one, special in zip(found.ids, found.special_tokens_mask, strict=True) if not special]
        for found in tokenizer.encode_batch(list(texts))
    ]


def _starts(count: int, pairs: Ids) -> tuple[Ids, Ids]:
    """Where each left piece's pairs start, so that no two pairs share a place, and which pair is in each place.

    The rows of a sparse table laid over each other, the fullest first, each where it first fits (Tarjan and Yao,
    "Storing a Sparse Table", 1979).

    Args:
        count: P; pieces are numbered from 1.
        pairs: (pairs, 2) left and right pieces.

    Returns:
        (P + 1,) starts, and (places,) pairs; −1 where there is none.
    """
    starts = np.zeros(count + 1, dtype=np.int64)
    taken = np.full(count + 1, -1, dtype=np.int64)
    order = np.argsort(pairs[:, 0], kind="stable")
    lefts, first = np.unique(pairs[order, 0], return_index=True)
    groups = np.split(order, first[1:]) if len(lefts) else []
    for left, group in sorted(zip(lefts, groups, strict=True), key=lambda one: (-len(one[1]), one[0])):
        rights = pairs[group, 1]
        free = np.ones(len(taken) + 1, dtype=np.bool_)  # by start; at the end there is always room
        for right in rights:
            free[: len(taken) - right] &= taken[right:] < 0
        start = int(np.argmax(free))
        starts[left] = start
        taken = np.concatenate([taken, np.full(max(0, start + count + 1 - len(taken)), -1)])
        taken[start + rights] = group
    return starts, taken
