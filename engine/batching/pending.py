"""The contents of the queue: texts, and the requests that wait for them."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

import numpy as np

from emberline.engine.errors import EmberlineError
from emberline.engine.records import Encoding, Floats, RequestOptions


class PendingRequest:
    """A request that waits for the vectors of its texts.

    Attributes:
        vectors: (B, H) the vectors, filled as they arrive.
        options: deadline and priority.
        done: resolves when all vectors have arrived, or fails with the request's error.
        queued: texts of the request that are still in the queue.
        arrived: when the request arrived, in seconds of `time.monotonic`, as all times here.
        started: when the first of its batches began.
        finished: when the last of its batches ended.
        next_tag: earliest start tag of the texts that it adds next.
        long: whether it is too long to be a short request; see `ShortRequests`.
    """

    def __init__(self, texts: int, hidden: int, options: RequestOptions, now: float) -> None:
        self.vectors: Floats = np.empty((texts, hidden), np.float32)
        self.options = options
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.queued: set[QueuedText] = set()
        self.arrived = now
        self.started = now
        self.finished = now
        self.next_tag = -math.inf
        self.long = False
        self._missing = texts
        self._unstarted = True  # none of its batches has been delivered

    def set_cached(self, row: int, vector: Floats) -> None:
        """Store a vector (H,) that the cache holds. At least one other text must still be encoded."""
        self.vectors[row] = vector
        self._missing -= 1

    def deliver(self, row: int, vector: Floats, started: float, finished: float) -> None:
        """Store a vector (H,) from a batch that ran from `started` to `finished`."""
        self.started = started if self._unstarted else min(self.started, started)
        self._unstarted = False
        self.finished = max(self.finished, finished)
        self.vectors[row] = vector
        self._missing -= 1
        if not self._missing and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: EmberlineError) -> None:
        """Fail the request. The caller drops its texts that are still in the queue."""
        if not self.done.done():
            self.done.set_exception(error)


@dataclass(slots=True, eq=False)
class QueuedText:
    """A text in the queue.

    Attributes:
        encoding: its tokens.
        start_tag: its due time on the queue's virtual clock.
        deadline: when the last of the waiting requests will have given up; None: never.
        number: sequence number; orders texts with equal start tags by arrival.
        bulk: whether a large request added it.
        long: whether only long requests wait for it.
        waiters: the requests that wait for it, each with the row of its vectors that the text fills.
    """

    encoding: Encoding
    start_tag: float
    deadline: float | None = None
    number: int = 0
    bulk: bool = False
    long: bool = False
    waiters: list[tuple[PendingRequest, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.encoding)

    @property
    def position(self) -> tuple[float, int]:
        """The sort key within the queue."""
        return self.start_tag, self.number

    def set_waiters(self, waiters: list[tuple[PendingRequest, int]]) -> None:
        """Replace the waiters, and derive the deadline and the length of the requests from theirs."""
        self.waiters = waiters
        self.long = all(pending.long for pending, _ in waiters)
        deadlines = [pending.options.deadline for pending, _ in waiters]
        known = [deadline for deadline in deadlines if deadline is not None]
        self.deadline = max(known) if known and len(known) == len(waiters) else None
