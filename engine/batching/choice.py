"""Which of two sessions is the faster for a request that is alone, as seen lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from emberline.engine.runtime.session import Session

#: Times of a session that are remembered, and how many it takes to judge it: the middle one is what counts.
_REMEMBERED: Final = 3
_JUDGED: Final = 2
#: Every so many requests the slowest session is tried, because the machine may have changed: several cores
#: for one batch are the fastest when they are idle, and the slowest when other programs keep them busy.
_TRIED: Final = 16


class SessionChoice:
    """Learns from each batch how the sessions compare. Belongs to the event loop."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        """Begin without judgement.

        Args:
            sessions: one or two, the likely faster first.
        """
        self._sessions = sessions
        self._times: tuple[deque[float], ...] = tuple(deque(maxlen=_REMEMBERED) for _ in sessions)
        self._turn = 0

    def session(self) -> Session:
        """The session for the next batch."""
        self._turn += 1
        estimates = [sorted(times)[len(times) // 2] if len(times) >= _JUDGED else 0.0 for times in self._times]
        order = sorted(range(len(estimates)), key=estimates.__getitem__)
        return self._sessions[order[-1 if self._turn % _TRIED == 0 else 0]]

    def learn(self, session: Session, ratio: float) -> None:
        """Remember how long a session took for a batch, as a multiple of what batches of its size cost."""
        for one, times in zip(self._sessions, self._times, strict=True):
            if one is session:
                times.append(ratio)
