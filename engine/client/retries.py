"""Retries: whether to send a call again, and after which pause."""

from __future__ import annotations

import random
import time
from typing import Final

from emberline.engine.errors import (
    CatalogueUnavailable,
    DeadlineExceeded,
    EmberlineError,
    Overloaded,
    ServerUnreachable,
    ShuttingDown,
)
from emberline.engine.timeouts import until

#: Seconds before the first retry at an unreachable server. Each further pause is twice as long, up to the limit.
_FIRST_PAUSE: Final = 0.1
_MAX_PAUSE: Final = 5.0
#: Retries by default of a call to a server that left: together they span some 30 seconds, like the default timeout.
_DEPARTURE_RETRIES: Final = 30
#: Longest pause before one of these, in seconds, so that a server that is back is not kept waiting.
_DEPARTURE_PAUSE: Final = 1.0


def pause(error: EmberlineError, attempt: int) -> float | None:
    """Return the seconds to wait before a retry, with random jitter so that clients do not retry in step.

    All calls of the contract are safe to retry: a second upsert replaces the same items by themselves.

    Args:
        error: error of the failed attempt.
        attempt: number of retries so far.

    Returns:
        The seconds; None if a retry would not help.
    """
    if not isinstance(error, CatalogueUnavailable | Overloaded | ServerUnreachable | ShuttingDown):
        return None
    least = min(_FIRST_PAUSE * 2**attempt, _MAX_PAUSE)
    if isinstance(error, CatalogueUnavailable | Overloaded):
        least = max(error.retry_after, least if attempt else 0.0)
    return float(least * random.uniform(1.0, 1.5))


def allowed(error: EmberlineError, retries: int | None, reached: bool) -> int:
    """Return how often a call may be sent again after an error.

    Args:
        error: error of the last attempt.
        retries: maximum number of retries that the caller has set; None: the default, by which a call survives the
            restart of a server that has answered this client before, or of its database; nothing else is sent again.
        reached: whether the server has answered this client before.
    """
    if retries is not None:
        return retries
    left = isinstance(error, CatalogueUnavailable | ServerUnreachable | ShuttingDown)
    return _DEPARTURE_RETRIES if reached and left else 0


class Attempts:
    """The attempts of one call, bounded in number and by one deadline.

    Args:
        timeout: seconds for all attempts, pauses included.
        retries: maximum number of retries; None: see `allowed`.
    """

    def __init__(self, timeout: float, retries: int | None) -> None:
        self._deadline = until(timeout, time.monotonic())
        self._retries = retries
        self._failed = 0

    @property
    def left(self) -> float:
        """Seconds left for the next attempt.

        Raises:
            DeadlineExceeded: no time is left. gRPC's clock is so coarse that the call might be answered anyway.
        """
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise DeadlineExceeded("the timeout passed before the call was sent; allow more time (timeout)")
        return seconds

    def progressed(self) -> None:
        """Begin to count anew, because a stream got on since its last failure."""
        self._failed = 0

    def pause(self, error: EmberlineError, *, reached: bool = False) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            error: error of the last attempt; raised if another would not help or no time is left.
            reached: whether the server has answered this client before.
        """
        seconds = pause(error, self._failed) if self._failed < allowed(error, self._retries, reached) else None
        if seconds is not None and self._retries is None:
            seconds = min(seconds, _DEPARTURE_PAUSE * random.uniform(1.0, 1.5))
        if seconds is None or time.monotonic() + seconds >= self._deadline:
            raise error
        self._failed += 1
        return seconds
