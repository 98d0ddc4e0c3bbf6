"""The warm-up: the encoder learns the catalogue's language from its texts alone, before all else.

Two renderings of an item, each without some of its attributes and through a dropout of its own, shall be nearer to each
other than to those of the other items of the step: Gao, Yao and Chen, "SimCSE: Simple Contrastive Learning of Sentence
Embeddings", EMNLP 2021. A sentence encoder comes without the head that masked-language modelling would need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from emberline.export.model import TextEncoder

from .encoding import tokens
from .examples import Examples, Indexes
from .texts import item_text

#: By which cosines are divided; that of the paper.
TEMPERATURE: Final = 0.05
#: Share of the attributes that a rendering lacks. What is left of one has to tell of what is left of the other.
LEFT_OUT: Final = 0.3


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What the warm-up minimises.

    Attributes:
        examples: whose items' texts are read.
        tokenizer: of the encoder.
    """

    examples: Examples
    tokenizer: Tokenizer

    def __call__(
        self, encoder: TextEncoder, rng: np.random.Generator, columns: Indexes
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of one step.

        Args:
            encoder: in training mode, for its dropout.
            rng: of what is left out.
            columns: (b,) the items.

        Returns:
            The loss, and it by name.
        """
        whole = [item_text(self.examples, column) for column in columns]
        kept = [row for row, text in enumerate(whole) if text]
        one, other = (self._rendered(columns[kept], rng) for _ in range(2))
        loss = contrast(self._encode(encoder, one), self._encode(encoder, other), _same(one, other))
        return loss, {"loss": float(loss.detach())}

    def _rendered(self, columns: Indexes, rng: np.random.Generator) -> list[str]:
        fields = self.examples.view.description.item.fields
        found = []
        for column in columns:
            left_out = frozenset(name for name in fields if rng.random() < LEFT_OUT)
            found.append(item_text(self.examples, column, left_out) or item_text(self.examples, column))
        return found

    def _encode(self, encoder: TextEncoder, texts: list[str]) -> Tensor:
        if not texts:
            return torch.zeros(0, encoder.config.hidden_size, requires_grad=True)
        found: Tensor = encoder(*tokens(self.tokenizer, texts)).sentence_embedding
        return found


def contrast(one: Tensor, other: Tensor, same: Tensor) -> Tensor:
    """Cross-entropy of finding each rendering's other one among all of them, both ways.

    Args:
        one: (b, H) of unit length.
        other: (b, H) of unit length, of the same items.
        same: (b, b) whether two items' renderings read the same, which makes them no negatives.
    """
    near = (one @ other.T / TEMPERATURE).masked_fill(same, -1e4)  # (b, b)
    right = torch.arange(len(near))
    both = [functional.cross_entropy(scores, right, reduction="sum") for scores in (near, near.T)]
    return torch.stack(both).sum() / max(1, 2 * len(near))


def _same(one: list[str], other: list[str]) -> Tensor:
    alike = np.asarray(one, dtype=object)[:, None] == np.asarray(other, dtype=object)[None, :]
    np.fill_diagonal(alike, val=False)
    return torch.from_numpy(alike.astype(np.bool_))
