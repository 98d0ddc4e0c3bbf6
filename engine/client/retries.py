"""When a call is worth sending again, and after how long."""

from __future__ import annotations

import random
import time
from typing import Final

from emberline.engine.errors import DeadlineExceeded, EmberlineError, Overloaded, ServerUnreachable, ShuttingDown

from .channel import until

#: Seconds before the first new attempt at a server that is gone; each later one waits twice as long.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


def pause(error: EmberlineError, attempt: int) -> float | None:
    """Seconds to wait before a call is sent again, with chance in it so that clients do not come back all at once.

    All calls of the contract may be sent twice: the second upsert of the same items replaces them by themselves.

    Args:
        error: why the call failed.
        attempt: how often it was sent again before.

    Returns:
        None if sending it again would not help.
    """
    if not isinstance(error, Overloaded | ServerUnreachable | ShuttingDown):
        return None
    least = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
    if isinstance(error, Overloaded):
        least = max(error.retry_after, least if attempt else 0.0)
    return float(least * random.uniform(1.0, 1.5))


class Attempts:
    """The attempts of one call, bounded in number and by one deadline for all.

    Args:
        timeout: seconds for all of them together, pauses included.
        retries: how often the call may be sent again.
    """

    def __init__(self, timeout: float, retries: int) -> None:
        self._deadline = until(timeout, time.monotonic())
        self._retries = retries
        self._failed = 0

    @property
    def left(self) -> float:
        """Seconds that the attempt beginning now has.

        Raises:
            DeadlineExceeded: none. Sent all the same, it might be answered, for gRPC's clock is coarser than a server.
        """
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise DeadlineExceeded("the call's time was up before it was sent; allow it more (timeout)")
        return seconds

    def pause(self, error: EmberlineError) -> float:
        """Seconds to wait before the next attempt.

        Args:
            error: why the last one failed; raised if there is no use in another, or no time.
        """
        seconds = pause(error, self._failed) if self._failed < self._retries else None
        if seconds is None or time.monotonic() + seconds >= self._deadline:
            raise error
        self._failed += 1
        return seconds
