"""What a measurement has to show, and whether it does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .measurements import Summary


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound and what was measured.

    Attributes:
        what: is bounded.
        compared: what with what; empty where `what` says it.
        value: over the repetitions; None if it could not be measured.
        bound: that its median must reach.
        at_most: whether it must stay below instead.
        reached: whether it does.
        share: of the bound that is reached; 1 and above is enough; None if it could not be measured.
        reason: why it could not be measured; empty if it was.
        profile: the section of the measurements that shows what it is made of; empty if it is a figure by itself.
    """

    what: str
    compared: str
    value: Summary | None
    bound: float
    at_most: bool
    reached: bool
    share: float | None
    reason: str
    profile: str

    @classmethod
    def of(
        cls,
        what: str,
        compared: str,
        values: Sequence[float],
        bound: float,
        *,
        at_most: bool = False,
        reason: str = "",
        profile: str = "",
    ) -> Bound:
        """Put a measurement, one value a repetition, beside its bound; without values it is not reached."""
        if not values or any(map(math.isnan, values)):
            return cls(what, compared, None, bound, at_most, False, None, reason or "it is not a number", profile)
        value = Summary.of(values)
        above, below = (bound, value.median) if at_most else (value.median, bound)
        share = above / below if below else math.inf
        return cls(what, compared, value, bound, at_most, share >= 1, share, "", profile)
