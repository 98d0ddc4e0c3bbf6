"""The linear layers of an encoder: what there is to quantise. Light to import, for the command line reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from emberline.engine.records import Floats

#: Kinds of linear layers. Query, key and value share their input and are quantised together. The others are the layer
#: behind the attention and the two layers of the feed-forward network.
Kind = Literal["attention_in", "attention_out", "ffn_up", "ffn_down"]
KINDS: Final[tuple[Kind, ...]] = ("attention_in", "attention_out", "ffn_up", "ffn_down")


@dataclass(frozen=True, slots=True)
class LinearGroup:
    """Linear layers that read the same input and therefore share its quantiser.

    Attributes:
        name: the group's name, e.g. ``layer.3.ffn_down``.
        kind: the part of a Transformer layer that they form.
        input: the name of the tensor (…, K) that they read.
        nodes: the names of their MatMul nodes.
        weights: the names of their weights, in the order of the nodes.
        weight: (K, N) their weights side by side.
    """

    name: str
    kind: Kind
    input: str
    nodes: tuple[str, ...]
    weights: tuple[str, ...]
    weight: Floats
