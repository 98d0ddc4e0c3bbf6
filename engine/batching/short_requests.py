"""Short requests: while they come, the batches of long requests stay short, and a worker stays free for the next one.

A request is short if it is a single text, or no more than two batches. It waits at least until a worker is free,
however early its turn is, since a batch that runs cannot be interrupted. So the batches of long requests decide how
long a short one takes beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from .cost_model import CostModel
from .pending import QueuedText
from .planner import Limits, plan, plan_apart

#: Number of full batches that a short request may be.
_SHORT_BATCHES: Final = 2
#: Seconds after a short request in which another one is expected.
_RECENT: Final = 1.0
#: Weight of the last short request in the moving average of their predicted times.
_SMOOTHING: Final = 0.1
#: Smallest limit of a long request's batch, in calls without texts. Where a call costs more than its texts, as on a
#: GPU, a batch as short as a short request's would hold next to nothing.
_LEAST_CALLS: Final = 2.0


class ShortRequests:
    """Remembers when short requests came and how long they take. Belongs to the event loop."""

    def __init__(self, limits: Limits, costs: CostModel) -> None:
        """Start without requests.

        Args:
            limits: bounds of a batch.
            costs: predicts the time of a batch.
        """
        self._limits = limits
        self._costs = costs
        self._last = -math.inf  # when one came, in seconds of `time.monotonic`
        self._seconds = 0.0  # predicted time of one, as a moving average

    def observe(self, lengths: Sequence[int], now: float) -> bool:
        """Record a request if it is short, and return whether it is.

        Args:
            lengths: number of tokens of each of its texts; at least one text.
            now: the time, in seconds of `time.monotonic`.
        """
        most_texts, most_tokens = _SHORT_BATCHES * self._limits.texts, _SHORT_BATCHES * self._limits.tokens
        if len(lengths) > 1 and (len(lengths) > most_texts or sum(lengths) > most_tokens):
            return False
        seconds = self._costs.call + sum(map(self._costs.text, lengths))
        weight = _SMOOTHING if self._expected(now) else 1.0
        self._seconds += (seconds - self._seconds) * weight
        self._last = now
        return True

    def batches(
        self, waiting: Sequence[QueuedText], order: Sequence[int], workers: int, now: float
    ) -> list[list[QueuedText]]:
        """Cut the waiting texts into batches. While short requests come, those of long ones stay short, too.

        Such a batch takes as long as a short request does, so that the next short one takes about twice its own time.

        Args:
            waiting: the texts.
            order: all indices, the most urgent first.
            workers: number of workers that share the texts.
            now: the time, in seconds of `time.monotonic`.

        Returns:
            The batches, the one with the most urgent text first.
        """
        lengths = [len(text) for text in waiting]
        if self._expected(now):
            least = _LEAST_CALLS * self._costs.call
            cut = plan_apart(
                lengths,
                [text.long for text in waiting],
                self._limits,
                replace(self._limits, seconds=max(self._seconds, least)),
                self._costs,
                order,
                workers,
            )
        else:
            cut = plan(lengths, self._limits, self._costs, order, workers)
        return [[waiting[index] for index in indices] for indices in cut]

    def leave_free(self, batch: Sequence[QueuedText], virtual_time: float, now: float) -> int:
        """Return the number of workers that a batch must leave free for the next short request.

        A text whose turn has come by the queue's virtual time may have the last worker, so that a long request gets
        its share of the machine however many short ones come.
        """
        due = any(text.start_tag <= virtual_time for text in batch)
        return int(batch[0].long and not due and self._expected(now))

    def _expected(self, now: float) -> bool:
        return now - self._last <= _RECENT
