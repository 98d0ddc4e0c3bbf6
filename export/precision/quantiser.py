"""Quantises the linear layers of an encoder, each only once for every configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import onnx

from emberline.engine.records import Encoding

from .analysis.calibration import Statistics, observe
from .analysis.layer import QuantisedGroup, quantise
from .graph.bert import find
from .linears import LinearGroup
from .recipe import LayerConfig, Recipe


class Quantiser:
    """Quantises the layers of one encoder by any number of recipes; the calibration texts are read once."""

    def __init__(self, source: Path, encodings: Sequence[Encoding]) -> None:
        """Prepare, without reading anything.

        Args:
            source: the file of the fp32 encoder.
            encodings: the tokenized texts to calibrate on.
        """
        self.source = source
        self.encodings = encodings
        self._made: dict[tuple[str, LayerConfig], QuantisedGroup] = {}

    @cached_property
    def layers(self) -> list[LinearGroup]:
        """The linear layers of the encoder; raises what `graph.bert.find` raises."""
        return find(onnx.load(self.source))

    def missing(self, recipes: Iterable[Recipe]) -> int:
        """The number of layers and configurations that some recipes still need."""
        needed = {(one.name, recipe.layer_config(one)) for recipe in recipes for one in recipe.quantised(self.layers)}
        return len(needed - set(self._made))

    def parts(self, recipe: Recipe, done: Callable[[], None] = lambda: None) -> list[QuantisedGroup]:
        """Quantise the layers by a recipe.

        Args:
            recipe: the recipe; the encoder has the layers that it names.
            done: called once the texts are read, if they were not, and after each newly quantised layer.
        """
        parts = []
        for one in recipe.quantised(self.layers):
            key = one.name, recipe.layer_config(one)
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
