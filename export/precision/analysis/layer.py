"""Linear layers in 8 bits: their smoothing, scales and rounded weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats
from emberline.export.precision.linears import Linears
from emberline.export.precision.recipe import Activations, Way

from .calibration import Statistics
from .grid import Grid, product_scales
from .rounding import compensated
from .smoothing import CENTRED, input_grid, noise, smooth

#: Behind a GELU, where channels may come in any order, one in so many is always stored in 16 bits, with scales of its
#: own: the noisiest. The layer's product takes an eighth longer, and half to three quarters of the layer's error are
#: gone. With half as many a sixth more of the error stays, with twice as many a sixth less (MiniLM, medians of layers).
_NOISY: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """Linear layers in 8 bits, of K channels of their input.

    Attributes:
        fine: whether the channels are stored in 16 bits.
        alpha: how far their spread was moved into the weight.
        centres: (K,) what is taken from them; 0 where nothing in front of them can do so for nothing.
        divisors: (K,) what they are divided by then.
        weight: (K, N) on its grid.
        scales: (N,) of its columns.
        grids: of the smoothed channels, the coarse part's where they are fine; by how they are stored.
        amends: (N,) what is added to the outputs, for the centres and the mean error of the rounding; likewise.
    """

    fine: bool
    alpha: float
    centres: Floats
    divisors: Floats
    weight: NDArray[np.int8]
    scales: Floats
    grids: Mapping[Activations, Grid]
    amends: Mapping[Activations, Floats]

    def ordered(self, order: NDArray[np.intp]) -> Part:
        """The same with its outputs in another order."""
        amends = {form: values[order] for form, values in self.amends.items()}
        return replace(self, weight=self.weight[:, order], scales=self.scales[order], amends=amends)


@dataclass(frozen=True, slots=True)
class Quantised:
    """Linear layers in 8 bits.

    Attributes:
        layers: which.
        order: (K,) the order in which they read their input's channels; None: as they come.
        parts: of these, one after the other; their products are added.
    """

    layers: Linears
    order: NDArray[np.intp] | None
    parts: tuple[Part, ...]

    @property
    def fine(self) -> bool:
        """Whether all channels are stored in 16 bits."""
        return all(part.fine for part in self.parts)

    @property
    def alpha(self) -> float:
        """How far the spread of the input was moved into the weight, but for the noisiest channels."""
        return self.parts[-1].alpha

    @property
    def centres(self) -> Floats:
        """(K,) of all channels."""
        return np.concatenate([part.centres for part in self.parts])

    @property
    def divisors(self) -> Floats:
        """(K,) of all channels."""
        return np.concatenate([part.divisors for part in self.parts])

    @property
    def products(self) -> int:
        """How many products of 8 bits each layer is made of."""
        return sum(1 + part.fine for part in self.parts)

    def amends(self, activations: Activations) -> Floats:
        """(N,) what is added to the outputs."""
        return np.asarray(sum(part.amends[activations] for part in self.parts), np.float32)

    def ordered(self, order: NDArray[np.intp], weights: tuple[str, ...]) -> Quantised:
        """The same with its outputs in another order.

        Args:
            order: (N,).
            weights: the names of the weights that the graph then has.
        """
        layers = replace(self.layers, weight=self.layers.weight[:, order], weights=weights)
        return Quantised(layers, self.order, tuple(part.ordered(order) for part in self.parts))


def quantise(layers: Linears, statistics: Statistics, way: Way) -> Quantised:
    """Choose the smoothing, the scales and the rounding of linear layers; they serve both forms of activations.

    Args:
        layers: as `bert.find` gives them.
        statistics: of their inputs.
        way: what the recipe says of them.
    """
    weight, centred = layers.weight, layers.kind in CENTRED
    noisy = len(weight) // _NOISY
    if way.fine or centred or not noisy:
        return Quantised(layers, None, (_quantise(weight, statistics, way, centred=centred),))
    widest = np.maximum(-statistics.low, statistics.high)
    order = np.argsort(-widest * np.linalg.norm(weight, axis=1), kind="stable")
    first, others = order[:noisy], order[noisy:]
    parts = (
        _quantise(weight[first], statistics.taken(first), replace(way, fine=True, method="minmax"), centred=False),
        _quantise(weight[others], statistics.taken(others), way, centred=False),
    )
    return Quantised(layers, order, parts)


def _quantise(weight: Floats, statistics: Statistics, way: Way, *, centred: bool) -> Part:
    """Quantise a weight (K, N) by the statistics of its K inputs."""
    fine = way.fine
    middle = np.asarray((statistics.low + statistics.high) / 2, np.float32)
    centres = middle if centred else np.zeros_like(middle)
    seen = statistics.less(centres)
    divisors, alpha = smooth(seen, weight, fine=fine, centred=centred, alpha=way.alpha)
    grids: dict[Activations, Grid] = {
        form: input_grid(seen, divisors, form, fine=fine, method=way.method) for form in ("uint8", "int8")
    }
    smoothed = weight * divisors[:, None]
    scales = product_scales(smoothed)
    moments = seen.moments / np.outer(divisors, divisors)
    moments[np.diag_indices_from(moments)] += noise(grids["uint8"], fine=fine)
    stored = compensated(smoothed, scales, moments)
    given, sample = seen.mean / divisors, seen.sample / divisors
    amends: dict[Activations, Floats] = {}
    for form, grid in grids.items():
        # What 16 bits leave is nothing to make up for.
        off = 0.0 if fine else (grid.rounded(sample, form) - sample).mean(axis=0)  # (K,)
        amends[form] = np.asarray(statistics.mean @ weight - (given + off) @ stored * scales, np.float32)
    return Part(fine, alpha, centres, divisors, stored, scales, grids, amends)
