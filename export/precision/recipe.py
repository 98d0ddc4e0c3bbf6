"""What an int8 encoder keeps in how many bits. Light to import: the command line reads its defaults here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from emberline.engine.bundle import Precision
from emberline.engine.errors import ConfigError

from .linears import KINDS, Linears

#: How activations are stored: from 0 to 255 around a zero point, which serves CPUs and skewed values best, or from −127
#: to 127 around zero, the only way that TensorRT knows.
Activations = Literal["uint8", "int8"]

#: How the range of an input of 8 bits is taken from what calibration saw; see `ranges`.
Method = Literal["minmax", "percentile", "entropy"]
METHODS: Final[tuple[Method, ...]] = ("minmax", "percentile", "entropy")


@dataclass(frozen=True, slots=True)
class Way:
    """How one group of linear layers is quantised.

    Attributes:
        fine: whether its inputs are stored in 16 bits.
        method: how the range of its inputs is taken; 16 bits always hold all that was seen.
        alpha: how far the spread of its inputs is moved into the weight; None: as far as it loses least by.
    """

    fine: bool
    method: Method = "minmax"
    alpha: float | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the linear layers of an encoder are quantised: all weights in 8 bits, and their inputs in 8 or 16.

    Layers are named by kind, ``ffn_down``, or one by one, ``layer.3.ffn_down``.

    Attributes:
        activations: how 8 bits of an input are stored.
        fine: layers whose inputs are stored in 16 bits, as a coarse part and the rest of 8 bits each. Their products
            are made twice, which costs a good part of what 8 bits gain over fp32, and their inputs lose nothing. Of
            the others behind a GELU, the noisiest channels are (`layer`).
        fp32: layers that are not quantised at all: slower still, and larger.
        method: how the range of inputs of 8 bits is taken.
        alpha: the smoothing of all layers, above 0 and up to 1; None: of each layer what it loses least by.
        embeddings: whether the word embeddings are stored in 8 bits; beside symmetric activations they never are, for
            TensorRT cannot read rows of 8-bit integers.
    """

    activations: Activations
    fine: frozenset[str] = frozenset()
    fp32: frozenset[str] = frozenset()
    method: Method = "minmax"
    alpha: float | None = None
    embeddings: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"Recipe.method {self.method!r}: choose from {', '.join(METHODS)}")
        if self.alpha is not None and not 0 < self.alpha <= 1:
            raise ConfigError(f"Recipe.alpha must be above 0 and at most 1, not {self.alpha}")

    def require_known(self, layers: Sequence[Linears]) -> None:
        """Check that the recipe speaks of the layers that there are.

        Raises:
            ConfigError: it names one that there is not, or one both as fine and as fp32, or leaves none to quantise.
        """
        known = {*KINDS, *(one.name for one in layers)}
        for name in sorted(self.fine | self.fp32):
            if name not in known:
                raise ConfigError(
                    f"the encoder has no layers {name!r}; there are {', '.join(KINDS)}, each also as layer.0.{KINDS[0]}"
                )
        both = [one.name for one in layers if _among(one, self.fine) and _among(one, self.fp32)]
        if both:
            raise ConfigError(f"{both[0]} is to be both fine and fp32; choose one")
        if not self.quantised(layers):
            raise ConfigError("all layers are to stay fp32, so there is nothing to quantise; export fp32 alone")

    def quantised(self, layers: Iterable[Linears]) -> list[Linears]:
        """The layers that are quantised."""
        return [one for one in layers if not _among(one, self.fp32)]

    def is_fine(self, layers: Linears) -> bool:
        """Whether the layers' inputs are stored in 16 bits."""
        return _among(layers, self.fine)

    def way(self, layers: Linears) -> Way:
        """How layers that are quantised are."""
        fine = self.is_fine(layers)
        return Way(fine, "minmax" if fine else self.method, self.alpha)

    @property
    def stores_embeddings(self) -> bool:
        """Whether the word embeddings are stored in 8 bits."""
        return self.embeddings and self.activations == "uint8"


def _among(layers: Linears, names: frozenset[str]) -> bool:
    return layers.kind in names or layers.name in names


#: What fits every BERT: the inputs of the feed-forward network, which vary most, in 16 bits. On a GPU twice the
#: products would cost more than fp16 does, so there only the most sensitive of them get 16 bits.
RECIPES: Final[Mapping[Precision, Recipe]] = MappingProxyType(
    {
        "int8": Recipe("uint8", fine=frozenset({"ffn_up", "ffn_down"})),
        "int8-trt": Recipe("int8", fine=frozenset({"ffn_down"})),
    }
)


#: What gains most for its time in MiniLM, trained on MovieLens-100K: an eighth more of the products, a quarter less of
#: what 8 bits lose. docs/export.md has what they keep with three seeds.
_MINILM: Final = frozenset({"layer.3.attention_in", "layer.4.attention_in", "layer.5.attention_in"})


def shipped(encoder: str) -> Mapping[Precision, Recipe]:
    """The recipes that are used unless another is given.

    Args:
        encoder: its name in the settings of training; what was measured of it is used, or else `RECIPES`.
    """
    return {**RECIPES, "int8": Recipe("uint8", fine=_MINILM)} if encoder == "minilm" else RECIPES
