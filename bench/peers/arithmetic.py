"""How much arithmetic a text costs the encoder, which says how much of a machine's peak an engine uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The matrix products of a BERT encoder; a multiplication and an addition are two operations.

    What is left out (normalisation, softmax, GELU, embeddings) is below 2 % of them.

    Attributes:
        linear: operations a token in the linear layers: four of H × H and two of H × F in every layer.
        attention: operations a token and token of its text in the attention's two products.
    """

    linear: int
    attention: int

    @classmethod
    def of(cls, encoder: Mapping[str, Any]) -> Arithmetic:
        """Of an encoder with the given fields of a `transformers.BertConfig`."""
        layers, hidden, inner = (
            int(encoder[name]) for name in ("num_hidden_layers", "hidden_size", "intermediate_size")
        )
        return cls(layers * 2 * (4 * hidden * hidden + 2 * hidden * inner), layers * 2 * 2 * hidden)

    def operations(self, tokens: Sequence[int]) -> int:
        """Of texts of so many tokens each, without padding, which is no work but waste."""
        return sum(length * (self.linear + self.attention * length) for length in tokens)
