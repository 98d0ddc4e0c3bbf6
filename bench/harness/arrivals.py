"""When requests arrive: a Poisson process, by seed."""

from __future__ import annotations

import numpy as np


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Arrival times of a Poisson process.

    The gaps are drawn at unit rate and then divided by `rate`: the same seed gives every variant the same pattern of
    bursts, faster or slower, so that no variant is favoured by luck.

    Args:
        rate: requests a second, on average.
        seconds: how long requests arrive.
        seed: of the pattern.

    Returns:
        Ascending times in seconds, at least one.
    """
    count = max(1, round(rate * seconds))
    gaps = np.random.default_rng(seed).exponential(1.0, count)
    return [float(time) for time in np.cumsum(gaps) / rate]
