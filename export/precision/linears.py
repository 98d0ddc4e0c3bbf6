"""The linear layers of an encoder: what there is to quantise. Light to import, for the command line reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from emberline.engine.records import Floats

#: Kinds of linear layers. Query, key and value read one input and are quantised as one; then comes the layer behind the
#: attention, and the two of the feed-forward network.
Kind = Literal["attention_in", "attention_out", "ffn_up", "ffn_down"]
KINDS: Final[tuple[Kind, ...]] = ("attention_in", "attention_out", "ffn_up", "ffn_down")


@dataclass(frozen=True, slots=True)
class Linears:
    """Linear layers that read the same input, hence share its quantiser.

    Attributes:
        name: e.g. ``layer.3.ffn_down``.
        kind: what part of a Transformer layer they are.
        input: the tensor that they read, (…, K).
        nodes: the names of their MatMul nodes.
        weights: the names of their weights, in the nodes' order.
        weight: (K, N) their weights side by side.
    """

    name: str
    kind: Kind
    input: str
    nodes: tuple[str, ...]
    weights: tuple[str, ...]
    weight: Floats
