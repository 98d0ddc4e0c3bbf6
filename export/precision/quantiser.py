"""An encoder's linear layers, each quantised in every way that is asked for, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import onnx

from emberline.engine.records import Encoding

from .analysis.calibration import Statistics, observe
from .analysis.layer import Quantised, quantise
from .graph.bert import find
from .linears import Linears
from .recipe import Recipe, Way


class Quantiser:
    """Quantises the layers of one encoder by any number of recipes, from one reading of the calibration texts."""

    def __init__(self, source: Path, encodings: Sequence[Encoding]) -> None:
        """Nothing is read yet.

        Args:
            source: the fp32 encoder.
            encodings: the texts to calibrate on.
        """
        self.source = source
        self.encodings = encodings
        self._made: dict[tuple[str, Way], Quantised] = {}

    @cached_property
    def layers(self) -> list[Linears]:
        """The encoder's linear layers; see `bert.find` for what it raises."""
        return find(onnx.load(self.source))

    def missing(self, recipes: Iterable[Recipe]) -> int:
        """How many layers, in how many ways, are yet to be quantised for some recipes."""
        ways = {(one.name, recipe.way(one)) for recipe in recipes for one in recipe.quantised(self.layers)}
        return len(ways - set(self._made))

    def parts(self, recipe: Recipe, done: Callable[[], None] = lambda: None) -> list[Quantised]:
        """The layers that a recipe quantises, quantised by it.

        Args:
            recipe: one that knows the layers.
            done: called after the texts are read, if they were not yet, and after each layer that is quantised.
        """
        parts = []
        for one in recipe.quantised(self.layers):
            key = one.name, recipe.way(one)
            if key not in self._made:
                if not self._made:
                    _ = self._statistics
                    done()
                self._made[key] = quantise(one, self._statistics[one.name], key[1])
                done()
            parts.append(self._made[key])
        return parts

    @cached_property
    def _statistics(self) -> dict[str, Statistics]:
        seen = observe(self.source, self.layers, self.encodings)
        return dict(zip((one.name for one in self.layers), seen, strict=True))
