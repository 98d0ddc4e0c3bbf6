"""What an int8 encoder costs, told before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx

from emberline.export.precision.graph.bert import WORD_EMBEDDINGS
from emberline.export.precision.linears import LinearGroup
from emberline.export.precision.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Times:
    """How long this machine takes over the same texts, as multiples of an encoder with all inputs in 8 bits.

    Attributes:
        fine: with all inputs in 16 bits.
        fp32: of the fp32 encoder.
    """

    fine: float
    fp32: float

    def as_dict(self) -> dict[str, float]:
        """Fit for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of encoders: their time, as a multiple of all inputs in 8 bits, plus their size, as a share of fp32.

    Both follow from the layers' sizes: the time that a layer adds is its share of the arithmetic of what all add.

    Attributes:
        times: as measured.
        weights: of each group of linear layers, how many.
        embeddings: how many entries the table of word embeddings has.
        bytes: of the fp32 encoder.
    """

    times: Times
    weights: Mapping[str, int]
    embeddings: int
    bytes: int

    @classmethod
    def of(cls, source: Path, layers: list[LinearGroup], times: Times) -> Costs:
        """The costs of an encoder's forms."""
        tensors = onnx.load(source).graph.initializer
        tables = [tensor.dims[0] * tensor.dims[1] for tensor in tensors if tensor.name.endswith(WORD_EMBEDDINGS)]
        return cls(times, {one.name: one.weight.size for one in layers}, sum(tables), source.stat().st_size)

    def time(self, recipe: Recipe) -> float:
        """As a multiple of all inputs in 8 bits; the layers are named one by one."""
        total = sum(self.weights.values())
        fine = sum(self.weights[name] for name in recipe.activations_16bit) / total
        fp32 = sum(self.weights[name] for name in recipe.fp32) / total
        return 1 + fine * (self.times.fine - 1) + fp32 * (self.times.fp32 - 1)

    def size(self, recipe: Recipe) -> float:
        """As a share of fp32."""
        stored = sum(count for name, count in self.weights.items() if name not in recipe.fp32)
        return 1 - 3 * (stored + self.embeddings * recipe.embeddings) / self.bytes

    def cost(self, recipe: Recipe) -> float:
        """Time and size together."""
        return self.time(recipe) + self.size(recipe)

    @property
    def alternatives(self) -> tuple[str, ...]:
        """What a layer may be instead, from cheap to fine; ``fine`` is left out where fp32 is as fast."""
        return ("fine", "fp32") if self.times.fine < self.times.fp32 else ("fp32",)
