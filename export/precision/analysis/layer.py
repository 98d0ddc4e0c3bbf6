"""Quantised linear layers: their smoothing, scales and rounded weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats
from emberline.export.precision.linears import LinearGroup
from emberline.export.precision.recipe import Activations, LayerConfig

from .calibration import Statistics
from .grid import Grid, product_scales
from .rounding import compensated
from .smoothing import CENTRED, input_grid, noise, smooth

#: Behind a GELU, where channels may come in any order, the noisiest of so many are always stored in 16 bits, with
#: scales of their own. The layer's product takes an eighth longer and loses half to three quarters of its error. Half
#: as many channels leave a sixth more of the error, twice as many a sixth less (MiniLM, medians of layers).
_NOISY: Final = 8


@dataclass(frozen=True, slots=True)
class QuantisedPart:
    """Quantised linear layers, restricted to K channels of their input.

    Attributes:
        is_16bit: whether the channels are stored in 16 bits.
        alpha: how far the spread of the channels was moved into the weight.
        centres: (K,) what is subtracted from the channels; 0 where no bias in front of them can do it for free.
        divisors: (K,) what the centred channels are divided by.
        weight: (K, N) the weight in steps.
        scales: (N,) the scales of its columns.
        grids: the grid of the smoothed channels for each form of activations; with 16 bits, that of their coarse part.
        bias_correction: (N,) what is added to the outputs for each form of activations, to compensate for the centres
            and for the mean error of the rounding.
    """

    is_16bit: bool
    alpha: float
    centres: Floats
    divisors: Floats
    weight: NDArray[np.int8]
    scales: Floats
    grids: Mapping[Activations, Grid]
    bias_correction: Mapping[Activations, Floats]

    def ordered(self, order: NDArray[np.intp]) -> QuantisedPart:
        """The same part with its outputs in another order."""
        bias_correction = {form: values[order] for form, values in self.bias_correction.items()}
        return replace(self, weight=self.weight[:, order], scales=self.scales[order], bias_correction=bias_correction)


@dataclass(frozen=True, slots=True)
class QuantisedGroup:
    """A group of quantised linear layers.

    Attributes:
        layers: the group.
        order: (K,) the order in which they read the channels of their input; None: the original order.
        parts: the channels in this order, in parts whose products are added.
    """

    layers: LinearGroup
    order: NDArray[np.intp] | None
    parts: tuple[QuantisedPart, ...]

    @property
    def is_16bit(self) -> bool:
        """Whether all channels are stored in 16 bits."""
        return all(part.is_16bit for part in self.parts)

    @property
    def alpha(self) -> float:
        """How far the spread of the input was moved into the weight, except for the noisiest channels."""
        return self.parts[-1].alpha

    @property
    def centres(self) -> Floats:
        """(K,) the centres of all channels."""
        return np.concatenate([part.centres for part in self.parts])

    @property
    def divisors(self) -> Floats:
        """(K,) the divisors of all channels."""
        return np.concatenate([part.divisors for part in self.parts])

    @property
    def products(self) -> int:
        """The number of 8-bit products that each layer consists of."""
        return sum(1 + part.is_16bit for part in self.parts)

    def bias_correction(self, activations: Activations) -> Floats:
        """(N,) what is added to the outputs of the whole group."""
        return np.asarray(sum(part.bias_correction[activations] for part in self.parts), np.float32)

    def ordered(self, order: NDArray[np.intp], weights: tuple[str, ...]) -> QuantisedGroup:
        """The same group with its outputs in another order.

        Args:
            order: the order (N,).
            weights: the names of the reordered weights in the graph.
        """
        layers = replace(self.layers, weight=self.layers.weight[:, order], weights=weights)
        return QuantisedGroup(layers, self.order, tuple(part.ordered(order) for part in self.parts))


def quantise(layers: LinearGroup, statistics: Statistics, config: LayerConfig) -> QuantisedGroup:
    """Choose the smoothing, the scales and the rounding of linear layers, for both forms of activations.

    Args:
        layers: the layers.
        statistics: the statistics of their inputs.
        config: how to quantise them.
    """
    weight, centred = layers.weight, layers.kind in CENTRED
    noisy = len(weight) // _NOISY
    if config.is_16bit or centred or not noisy:
        return QuantisedGroup(layers, None, (_quantise(weight, statistics, config, centred=centred),))
    widest = np.maximum(-statistics.low, statistics.high)
    order = np.argsort(-widest * np.linalg.norm(weight, axis=1), kind="stable")
    first, others = order[:noisy], order[noisy:]
    parts = (
        _quantise(
            weight[first], statistics.taken(first), replace(config, is_16bit=True, method="minmax"), centred=False
        ),
        _quantise(weight[others], statistics.taken(others), config, centred=False),
    )
    return QuantisedGroup(layers, order, parts)


def _quantise(weight: Floats, statistics: Statistics, config: LayerConfig, *, centred: bool) -> QuantisedPart:
    """Quantise a weight (K, N) by the statistics of its K input channels."""
    is_16bit = config.is_16bit
    middle = np.asarray((statistics.low + statistics.high) / 2, np.float32)
    centres = middle if centred else np.zeros_like(middle)
    seen = statistics.less(centres)
    divisors, alpha = smooth(seen, weight, is_16bit=is_16bit, centred=centred, alpha=config.alpha)
    grids: dict[Activations, Grid] = {
        form: input_grid(seen, divisors, form, is_16bit=is_16bit, method=config.method) for form in ("uint8", "int8")
    }
    smoothed = weight * divisors[:, None]
    scales = product_scales(smoothed)
    moments = seen.moments / np.outer(divisors, divisors)
    moments[np.diag_indices_from(moments)] += noise(grids["uint8"], is_16bit=is_16bit)
    stored = compensated(smoothed, scales, moments)
    given, sample = seen.mean / divisors, seen.sample / divisors
    bias_correction: dict[Activations, Floats] = {}
    for form, grid in grids.items():
        # The error of 16 bits is too small to need correction.
        off = 0.0 if is_16bit else (grid.rounded(sample, form) - sample).mean(axis=0)  # (K,)
        bias_correction[form] = np.asarray(statistics.mean @ weight - (given + off) @ stored * scales, np.float32)
    return QuantisedPart(is_16bit, alpha, centres, divisors, stored, scales, grids, bias_correction)
