"""What a model's shape depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What the model's shape depends on; the weights fit only this.

    Attributes:
        encoder: the fields of a `transformers.BertConfig`.
        item_labels: what the columns of `item_attributes` stand for, as ``field=value``.
        user_labels: likewise for `user_attributes`.
        item_limits: what the item tower tells of an item's numbers, as ``field>limit``; not among its outputs.
        rating_range: lowest and highest rating; equal if the data has none.
        dimensions: D, of which the first are trained, and after them stand the factors, twice: as they are matched with
            users', and as histories are made of them.
        factors: F, how many factors an item has; 0: all of a vector is trained.
        fold_ridge: how much less each of several similar factors in a history counts; see `pool`.
        tower_width: width of the towers' and the match head's hidden layer.
        temperature: τ of ``s(u, i) = z_u·z_i / τ + b_i``.
        max_length: tokens a text; longer ones are cut.
        memory: M, how many items of training the item tower remembers.
        nearness: the cosine at which an item is as much a remembered one as a new one. Above that of different items,
            of which an encoder that learnt what matters puts many close together; below that of the same text through
            an encoder in another precision.
        sharpness: how quickly memory fades below that cosine.
        word_pieces: P, how many word pieces the encoder also reads by themselves; 0: it has no wide part.
        word_places: S, among which the pairs of them have theirs.
        word_rows: R, of the pieces and the pairs.
        word_scale: what the wide part's numbers are multiplied by in the item tower: within `sentence_embedding` they
            are small, so that cosines tell of the whole text.
    """

    encoder: Mapping[str, Any]
    item_labels: tuple[str, ...]
    user_labels: tuple[str, ...]
    rating_range: tuple[float, float]
    item_limits: tuple[str, ...] = ()
    dimensions: int = 64
    factors: int = 0
    fold_ridge: float = 0.0
    tower_width: int = 256
    temperature: float = 8.0
    max_length: int = 128
    memory: int = 0
    nearness: float = 0.995
    sharpness: float = 1000.0
    word_pieces: int = 0
    word_places: int = 0
    word_rows: int = 0
    word_scale: float = 1.0

    @property
    def hidden(self) -> int:
        """H, the encoder's width."""
        return int(self.encoder["hidden_size"])

    @property
    def trained(self) -> int:
        """T, how many numbers of a vector are trained by steps."""
        return self.dimensions - 2 * self.factors

    @property
    def matched(self) -> int:
        """T + F, how many numbers of items' vectors are matched with users'."""
        return self.dimensions - self.factors

    @property
    def wide(self) -> int:
        """W, how many numbers of `sentence_embedding` come from the wide part: T + F + 1, or 0."""
        return self.matched + 1 if self.word_pieces else 0

    @property
    def embedding(self) -> int:
        """H + W, the width of `sentence_embedding`."""
        return self.hidden + self.wide
