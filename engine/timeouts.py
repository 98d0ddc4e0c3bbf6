"""Timeouts of calls, as callers give them."""

from __future__ import annotations

import math
from typing import Final

from .errors import ConfigError

#: Timeouts of this many seconds, three years, or more count as infinite, because gRPC's clock overflows beyond.
ENDLESS: Final = 1e8


def check_timeout(timeout: float) -> None:
    """Check a timeout; infinity means no limit.

    Raises:
        ConfigError: the timeout is not a number above 0.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise ConfigError(f"timeout is {timeout!r}; it must be a number of seconds")
    if not timeout > 0:
        raise ConfigError(f"timeout is {timeout}; it must be more than 0 seconds")


def until(timeout: float, now: float) -> float:
    """Return the time when a timeout ends, on the clock of `now`; infinity for an infinite one."""
    return math.inf if timeout >= ENDLESS else now + timeout
