"""The numbers among attributes as zeros and ones: whether each lies above some limits.

Neighbouring numbers then share most of what is said of them, and what follows from a number need not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Value

#: The limits of each attribute that is a number.
Limits = Mapping[str, NDArray[np.float64]]


def limits(found: Iterable[Mapping[str, Value]], bands: int) -> Limits:
    """Cut every number among the attributes of some things into bands of about as many things each."""
    numbers: dict[str, list[float]] = {}
    for attributes in found:
        for name, value in attributes.items():
            if isinstance(value, int | float):
                numbers.setdefault(name, []).append(float(value))
    shares = np.linspace(0, 1, bands + 1)[1:-1]
    return {name: np.unique(np.quantile(values, shares)) for name, values in numbers.items()}


def passed(attributes: Mapping[str, Value], limits: Limits) -> list[str]:
    """The limits that a thing's numbers lie above, as ``field>limit``."""
    return [
        limit_name(name, limit)
        for name, value in attributes.items()
        if isinstance(value, int | float)
        for limit in limits.get(name, ())
        if value > limit
    ]


def limit_name(field: str, limit: float) -> str:
    """How a limit is called."""
    return f"{field}>{limit:g}"
