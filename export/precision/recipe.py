"""What an int8 encoder keeps in how many bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emberline.engine.errors import ConfigError

from .grid import Activations
from .linears import KINDS, Linears


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the linear layers of an encoder are quantised: all weights in 8 bits, and their inputs in 8 or 16.

    Layers are named by kind, ``ffn_down``, or one by one, ``layer.3.ffn_down``.

    Attributes:
        activations: how 8 bits of an input are stored.
        fine: layers whose inputs are stored in 16 bits, as a coarse part and the rest of 8 bits each. Their products
            are made twice, which costs a good part of what 8 bits gain over fp32, and their inputs lose nothing.
        fp32: layers that are not quantised at all: slower still, and larger.
    """

    activations: Activations
    fine: frozenset[str] = frozenset()
    fp32: frozenset[str] = frozenset()

    def require_known(self, layers: Sequence[Linears]) -> None:
        """Check that the recipe speaks of the layers that there are.

        Raises:
            ConfigError: it names one that there is not, or one both as fine and as fp32.
        """
        known = {*KINDS, *(one.name for one in layers)}
        for name in sorted(self.fine | self.fp32):
            if name not in known:
                raise ConfigError(
                    f"the encoder has no layers {name!r}; there are {', '.join(KINDS)} in each of layer.0, layer.1, …"
                )
        both = [one.name for one in layers if _among(one, self.fine) and _among(one, self.fp32)]
        if both:
            raise ConfigError(f"{both[0]} is to be both fine and fp32; choose one")

    def quantised(self, layers: Iterable[Linears]) -> list[Linears]:
        """The layers that are quantised."""
        return [one for one in layers if not _among(one, self.fp32)]

    def is_fine(self, layers: Linears) -> bool:
        """Whether the layers' inputs are stored in 16 bits."""
        return _among(layers, self.fine)


def _among(layers: Linears, names: frozenset[str]) -> bool:
    return layers.kind in names or layers.name in names
