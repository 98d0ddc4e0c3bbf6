"""Predicts the cost of an int8 encoder before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx

from emberline.export.precision.graph.bert import WORD_EMBEDDINGS
from emberline.export.precision.linears import LinearGroup
from emberline.export.precision.recipe import Recipe


@dataclass(frozen=True, slots=True)
class RelativeTimes:
    """How long this machine takes to encode the same texts, relative to an encoder with 8-bit activations throughout.

    Attributes:
        activations_16bit: the time with 16-bit activations throughout.
        fp32: the time of the fp32 encoder.
    """

    activations_16bit: float
    fp32: float

    def as_dict(self) -> dict[str, float]:
        """The times, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of encoders: the relative time plus the size as a share of fp32.

    Both follow from the sizes of the layers. A layer with more bits adds time in proportion to its share of the
    arithmetic.

    Attributes:
        times: the measured relative times.
        weights: the number of weights of each group of linear layers.
        embeddings: the number of entries of the word embeddings.
        bytes: the size of the fp32 encoder.
    """

    times: RelativeTimes
    weights: Mapping[str, int]
    embeddings: int
    bytes: int

    @classmethod
    def of(cls, source: Path, layers: list[LinearGroup], times: RelativeTimes) -> Costs:
        """The costs of the int8 forms of an encoder."""
        tensors = onnx.load(source).graph.initializer
        tables = [tensor.dims[0] * tensor.dims[1] for tensor in tensors if tensor.name.endswith(WORD_EMBEDDINGS)]
        return cls(times, {one.name: one.weight.size for one in layers}, sum(tables), source.stat().st_size)

    def time(self, recipe: Recipe) -> float:
        """The relative time of a recipe whose layers are named one by one."""
        total = sum(self.weights.values())
        sixteen = sum(self.weights[name] for name in recipe.activations_16bit) / total
        fp32 = sum(self.weights[name] for name in recipe.fp32) / total
        return 1 + sixteen * (self.times.activations_16bit - 1) + fp32 * (self.times.fp32 - 1)

    def size(self, recipe: Recipe) -> float:
        """The size of a recipe's encoder as a share of fp32."""
        stored = sum(count for name, count in self.weights.items() if name not in recipe.fp32)
        return 1 - 3 * (stored + self.embeddings * recipe.embeddings) / self.bytes

    def cost(self, recipe: Recipe) -> float:
        """Time and size together."""
        return self.time(recipe) + self.size(recipe)

    @property
    def alternatives(self) -> tuple[str, ...]:
        """What an 8-bit layer may become, from cheap to accurate; ``16-bit`` is left out where fp32 is as fast."""
        return ("16-bit", "fp32") if self.times.activations_16bit < self.times.fp32 else ("fp32",)
