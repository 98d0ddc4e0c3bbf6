"""The item tower: what an item's text says of it, and what training remembers beyond."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from .config import ModelConfig
from .layers import Residual, linear

#: How much a label, and a limit of a number that is passed, counts beside the sentence embedding, of unit length,
#: where an item is placed by its text. Found on inner splits of MovieLens-100K.
LABEL: Final = 0.3
LIMIT: Final = 0.5


class ItemTower(nn.Module):
    """An item's vector, its bias (how popular it is likely to be) and its attributes, all from `sentence_embedding`.

    What the text alone says is linear in `sentence_embedding` and in the attributes that are predicted from it: few
    items are trained on, and of what they are, not how their text is put, most of their likes depend. Training also
    leaves a memory: for the items that many users met, what their interactions say beyond their text. It is recalled by
    nearness, so an item whose text is none of the remembered ones, a new item, is placed by its text alone, and a
    remembered one is placed as if by its id.
    """

    keys: Tensor
    values: Tensor
    emphasis: Tensor
    strength: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dimensions, self.trained, self.matched = config.dimensions, config.trained, config.matched
        self.labels = len(config.item_labels)
        self.nearness, self.sharpness = config.nearness, config.sharpness
        self.hidden, self.wide, self.word_scale = config.hidden, config.wide, config.word_scale
        described = self.labels + len(config.item_limits)
        self.text = nn.Linear(config.hidden, config.matched + 1)
        self.described = linear(described, config.matched + 1, bias=False, zero=True)
        emphasis = [LABEL] * self.labels + [LIMIT] * len(config.item_limits)
        self.register_buffer("emphasis", torch.tensor(emphasis), persistent=False)
        # What a text says of an item's factors is multiplied by to be matched; what a history is made of is not.
        self.register_buffer("strength", torch.ones(()))
        self.scale = math.sqrt(config.hidden)
        self.attributes = Residual(config.hidden, config.tower_width, described)
        self.register_buffer("keys", torch.zeros(config.memory, config.embedding))
        self.register_buffer("values", torch.zeros(config.memory, config.dimensions + 1))

    def parts(self, sentence_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's vector, (B, H) of unit length, and what the wide part says, (B, W), of (B, H + W).

        Together they are of unit length: the first's own length undoes what that took from both.
        """
        deep, wide = sentence_embedding[:, : self.hidden], sentence_embedding[:, self.hidden :]
        norm = deep.pow(2).sum(-1, keepdim=True).clamp(min=1e-12).sqrt()
        return deep / norm, self.word_scale * wide / norm

    def whole(self, deep: Tensor, wide: Tensor | None) -> Tensor:
        """The `sentence_embedding` (B, H + W) that `parts` takes apart; without a wide part, the encoder's vector."""
        if wide is None:
            return deep
        both = torch.cat([deep, wide / self.word_scale], dim=-1)
        return both / both.pow(2).sum(-1, keepdim=True).clamp(min=1e-12).sqrt()

    def recall(self, sentence_embedding: Tensor) -> Tensor:
        """What the memory adds to what the text says, (B, D + 1): about nothing for an item that is not remembered.

        A softmax over the cosines with the M remembered items, with one place more for "none of them".

        Args:
            sentence_embedding: (B, H + W), of unit length. With the wide part it tells apart what the encoder blurs.
        """
        return self._nearness(sentence_embedding)[:, :-1] @ self.values

    def newness(self, sentence_embedding: Tensor) -> Tensor:
        """How new an item is, (B,) from 0, one that is remembered, to 1: the share of "none of them" in `recall`.

        Args:
            sentence_embedding: (B, H + W), of unit length.
        """
        if not len(self.keys):
            return torch.ones_like(sentence_embedding[:, 0])
        if self.wide:
            sentence_embedding = self.whole(*self.parts(sentence_embedding))
        return self._nearness(sentence_embedding)[:, -1]

    def _nearness(self, sentence_embedding: Tensor) -> Tensor:
        """The shares in which a text is each of the M remembered items, and none of them, (B, M + 1)."""
        near = self.sharpness * (sentence_embedding @ self.keys.T - self.nearness)  # (B, M)
        return torch.softmax(torch.cat([near, torch.zeros_like(near[:, :1])], dim=-1), dim=-1)

    def describe(self, sentence_embedding: Tensor) -> Tensor:
        """The logits of `item_attributes` and, after them, of the limits, (B, A + N), of (B, H)."""
        logits: Tensor = self.attributes(sentence_embedding * self.scale)
        return logits

    def read(self, sentence_embedding: Tensor, indicators: Tensor | None = None, wide: Tensor | None = None) -> Tensor:
        """Vector and bias by what the text alone says, (B, D + 1).

        Args:
            sentence_embedding: (B, H).
            indicators: (B, A + N) labels that it has and limits that it passes, from 0 to 1; None: as predicted.
            wide: (B, T + F + 1) what the wide part says; None: there is none.
        """
        if indicators is None:
            indicators = self.describe(sentence_embedding).sigmoid()
        placed: Tensor = self.text(sentence_embedding) + self.described(self.emphasis * indicators)
        if wide is not None:
            placed = placed + wide
        if self.trained == self.dimensions:
            return placed
        factors = placed[:, self.trained : self.matched]
        parts = [placed[:, : self.trained], self.strength * factors, factors, placed[:, self.matched :]]
        return torch.cat(parts, dim=-1)

    def rank(
        self, sentence_embedding: Tensor, indicators: Tensor | None = None, wide: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Give `item_embedding` (B, D) and `item_bias` (B,), what ranking needs; for the arguments see `read`."""
        both = self.read(sentence_embedding, indicators, wide)  # (B, D + 1)
        if len(self.keys):
            both = both + self.recall(self.whole(sentence_embedding, wide))
        return both[:, : self.dimensions], both[:, self.dimensions]

    def forward(self, sentence_embedding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give `item_embedding` (B, D), `item_bias` (B,) and the logits of `item_attributes` (B, A).

        Args:
            sentence_embedding: (B, H + W).
        """
        wide = None
        if self.wide:
            sentence_embedding, wide = self.parts(sentence_embedding)
        logits = self.describe(sentence_embedding)
        vector, bias = self.rank(sentence_embedding, logits.sigmoid(), wide)
        return vector, bias, logits[:, : self.labels]
