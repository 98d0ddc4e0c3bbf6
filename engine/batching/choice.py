"""The choice between two sessions for a request that is alone: the one that was faster lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from emberline.engine.runtime.session import Session

#: Number of times that are remembered per session. Their median is the estimate, once there are enough of them.
_HISTORY: Final = 3
_MIN_HISTORY: Final = 2
#: Requests after which the slower session is tried again, because the machine may have changed. Several cores for one
#: batch are the fastest choice while they are idle, and the slowest while other programs keep them busy.
_RETRY_EVERY: Final = 16


class SessionChoice:
    """Compares sessions by the times of their last batches. Belongs to the event loop."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        """Start without estimates.

        Args:
            sessions: one or two sessions, the likely faster one first.
        """
        self._sessions = sessions
        self._times: tuple[deque[float], ...] = tuple(deque(maxlen=_HISTORY) for _ in sessions)
        self._requests = 0

    def session(self) -> Session:
        """Return the session for the next batch."""
        self._requests += 1
        estimates = [sorted(times)[len(times) // 2] if len(times) >= _MIN_HISTORY else 0.0 for times in self._times]
        order = sorted(range(len(estimates)), key=estimates.__getitem__)
        return self._sessions[order[-1 if self._requests % _RETRY_EVERY == 0 else 0]]

    def learn(self, session: Session, ratio: float) -> None:
        """Record how long a session took for a batch, as a multiple of the predicted time."""
        for candidate, times in zip(self._sessions, self._times, strict=True):
            if candidate is session:
                times.append(ratio)
