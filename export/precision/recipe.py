"""What an int8 encoder stores in how many bits. Light to import, because the command line reads its defaults here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from emberline.engine.bundle import Precision
from emberline.engine.errors import ConfigError

from .linears import KINDS, LinearGroup

#: How activations are stored. ``uint8``: from 0 to 255 around a zero point, which suits CPUs and skewed values best.
#: ``int8``: from −127 to 127 around zero, the only form that TensorRT supports.
Activations = Literal["uint8", "int8"]

#: How the range of an 8-bit activation is chosen from what calibration saw; see `analysis.ranges`.
Method = Literal["minmax", "percentile", "entropy"]
METHODS: Final[tuple[Method, ...]] = ("minmax", "percentile", "entropy")


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """How one group of linear layers is quantised.

    Attributes:
        is_16bit: whether its activations are stored in 16 bits.
        method: how the range of its activations is chosen; 16-bit ranges always cover all that calibration saw.
        alpha: how far the spread of its activations is moved into the weight; None: as far as loses least.
    """

    is_16bit: bool
    method: Method = "minmax"
    alpha: float | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the linear layers of an encoder are quantised: all weights in 8 bits, activations in 8 or 16.

    Layers are named by kind (``ffn_down``) or one by one (``layer.3.ffn_down``).

    Attributes:
        activations: how 8-bit activations are stored.
        activations_16bit: layers whose activations are stored in 16 bits, as a coarse part and the rest of 8 bits each.
            Their products are computed twice, which costs a good part of the time that 8 bits save over fp32, and their
            activations lose nothing. Other layers behind a GELU have 16 bits for their noisiest channels only (see
            `analysis.layer`).
        fp32: layers that are not quantised; slower still, and larger.
        method: how the range of 8-bit activations is chosen.
        alpha: the smoothing strength of all layers, above 0 and up to 1; None: what loses least, layer by layer.
        embeddings: whether the word embeddings are stored in 8 bits; with symmetric activations in 16, because TensorRT
            cannot read rows of 8-bit integers.
    """

    activations: Activations
    activations_16bit: frozenset[str] = frozenset()
    fp32: frozenset[str] = frozenset()
    method: Method = "minmax"
    alpha: float | None = None
    embeddings: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"Recipe.method {self.method!r}: choose from {', '.join(METHODS)}")
        if self.alpha is not None and not 0 < self.alpha <= 1:
            raise ConfigError(f"Recipe.alpha must be above 0 and at most 1, not {self.alpha}")

    def require_known(self, layers: Sequence[LinearGroup]) -> None:
        """Check that the encoder has the layers that the recipe names.

        Raises:
            ConfigError: a layer is unknown or named both for 16-bit activations and for fp32, or no layer is left to
                quantise.
        """
        known = {*KINDS, *(one.name for one in layers)}
        for name in sorted(self.activations_16bit | self.fp32):
            if name not in known:
                raise ConfigError(
                    f"the encoder has no layers {name!r}; there are {', '.join(KINDS)}, each also as layer.0.{KINDS[0]}"
                )
        both = [one.name for one in layers if _among(one, self.activations_16bit) and _among(one, self.fp32)]
        if both:
            raise ConfigError(f"{both[0]} is to have 16-bit activations and to stay fp32; choose one")
        if not self.quantised(layers):
            raise ConfigError("all layers are to stay fp32, so there is nothing to quantise; export fp32 alone")

    def quantised(self, layers: Iterable[LinearGroup]) -> list[LinearGroup]:
        """The layers that are quantised."""
        return [one for one in layers if not _among(one, self.fp32)]

    def is_16bit(self, layers: LinearGroup) -> bool:
        """Whether the activations of some layers are stored in 16 bits."""
        return _among(layers, self.activations_16bit)

    def layer_config(self, layers: LinearGroup) -> LayerConfig:
        """How layers that are quantised are quantised."""
        is_16bit = self.is_16bit(layers)
        return LayerConfig(is_16bit, "minmax" if is_16bit else self.method, self.alpha)

    @property
    def stores_embeddings(self) -> bool:
        """Whether the word embeddings are stored in 8 bits."""
        return self.embeddings and self.activations == "uint8"

    @property
    def stored_embeddings(self) -> str:
        """How the word embeddings are stored: ``int8``, ``fp16`` or ``fp32``."""
        if not self.embeddings:
            return "fp32"
        return "int8" if self.stores_embeddings else "fp16"


def _among(layers: LinearGroup, names: frozenset[str]) -> bool:
    return layers.kind in names or layers.name in names


#: Suits every BERT: 16 bits for the activations of the feed-forward network, which vary most. On a GPU, twice the
#: products would cost more than fp16 does, so only the most sensitive of them have 16 bits there.
RECIPES: Final[Mapping[Precision, Recipe]] = MappingProxyType(
    {
        "int8": Recipe("uint8", activations_16bit=frozenset({"ffn_up", "ffn_down"})),
        "int8-trt": Recipe("int8", activations_16bit=frozenset({"ffn_down"})),
    }
)


#: Layers of MiniLM.
_MINILM: Final = 6


def shipped(encoder: str, layers: int = 0) -> Mapping[Precision, Recipe]:
    """The default recipes of an encoder.

    Args:
        encoder: its name in the training settings. Recipes that were measured for it are used; otherwise `RECIPES`.
        layers: how many of its layers were taken; 0: all.
    """
    if encoder != "minilm":
        return RECIPES
    # What gains most for its time in MiniLM trained on MovieLens-100K: an eighth more products recover a quarter of
    # what 8 bits lose. docs/export.md has the figures of three seeds.
    count = layers or _MINILM
    upper = frozenset(f"layer.{place}.attention_in" for place in range(count // 2, count))
    return {**RECIPES, "int8": Recipe("uint8", activations_16bit=upper)}
