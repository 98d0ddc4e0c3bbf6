"""Rounds weights so that their errors cancel on the inputs that the layer really reads.

The weight is rounded one input channel at a time, the strongest first. The channels that are not yet rounded compensate
for the error, as far as channels are correlated (Frantar et al., "GPTQ", ICLR 2023).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats

from .grid import PAIR_LIMIT, WEIGHT_LIMIT

#: Channels whose errors are collected before the rest of the weight is corrected, by one matrix product.
_BLOCK: Final = 64
#: The share of the mean power that is added to each channel. It keeps the moments invertible, and keeps weights near
#: their values where channels are almost equal.
_DAMPING: Final = 0.01


def compensated(weight: Floats, scales: Floats, moments: NDArray[np.float64]) -> NDArray[np.int8]:
    """Round a weight to its grid and compensate for the errors.

    Args:
        weight: the weight (K, N).
        scales: (N,) the scales of its columns.
        moments: (K, K) the mean of x xᵀ over the layer's inputs as they will be: smoothed, with the noise of their own
            rounding on the diagonal.

    Returns:
        The weight (K, N) in steps. Each entry is within `WEIGHT_LIMIT`, and the sum of two neighbours of the same sign
        is within `PAIR_LIMIT`.
    """
    power = np.diag(moments)
    order = np.argsort(-power, kind="stable")
    damped = moments[np.ix_(order, order)]
    damped[np.diag_indices_from(damped)] += _DAMPING * power.mean()
    # Row k of the factor says how to spread an error in channel k over the channels after it.
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32)
    rest = weight[order].astype(np.float32)
    steps = np.zeros((len(weight) + 1, weight.shape[1]), np.float32)  # the last channel may have no neighbour
    for start in range(0, len(rest), _BLOCK):
        stop = min(start + _BLOCK, len(rest))
        errors = np.empty((stop - start, rest.shape[1]), np.float32)
        for row in range(start, stop):
            channel = order[row]
            neighbour = steps[channel ^ 1]  # 0 until it is rounded
            least = np.maximum(-WEIGHT_LIMIT, -PAIR_LIMIT - np.minimum(neighbour, 0))
            most = np.minimum(WEIGHT_LIMIT, PAIR_LIMIT - np.maximum(neighbour, 0))
            steps[channel] = np.clip(np.rint(rest[row] / scales), least, most)
            error = (rest[row] - steps[channel] * scales) / factor[row, row]
            errors[row - start] = error
            rest[row + 1 : stop] -= factor[row, row + 1 : stop, None] * error
        rest[stop:] -= factor[start:stop, stop:].T @ errors
    return steps[:-1].astype(np.int8)
