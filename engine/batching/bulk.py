"""Bulk admission: large requests enter the queue in slices, so that the queue always has room for small ones.

Requests larger than a slice share three quarters of the queue, and take turns to add a slice each. Their other texts
are held back, up to a limit of their own. So a request of a thousand texts neither blocks small requests nor is blocked
by them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from emberline.engine.errors import Overloaded
from emberline.engine.records import Encoding

from .pending import PendingRequest
from .queue import RequestQueue

#: Number of slices that fill the queue, and minimum number of tokens in a slice. Smaller slices share the queue more
#: evenly among large requests, but each costs a wake-up and keeps the cores busy for less time.
_SLICES: Final = 16
_MIN_SLICE: Final = 512
#: Maximum share of the queue that large requests may fill.
_BULK_SHARE: Final = 0.75
#: Maximum number of tokens held back, as a multiple of the queue's limit.
_MAX_HELD_BACK: Final = 8


class BulkAdmission:
    """Puts the texts of large requests into a queue. Belongs to the event loop.

    Attributes:
        held_back: number of tokens of large requests that are not in the queue yet.
    """

    def __init__(self, queue: RequestQueue, on_arrival: Callable[[], None]) -> None:
        """Start without requests.

        Args:
            queue: the queue. The code that takes texts out of it must call `release` afterwards.
            on_arrival: called when a slice has entered the queue.
        """
        self.held_back = 0
        self._on_arrival = on_arrival
        self._queue = queue
        self._slice = max(_MIN_SLICE, queue.limit // _SLICES)
        self._limit = max(self._slice, int(queue.limit * _BULK_SHARE))
        self._waiting: deque[asyncio.Future[None]] = deque()

    def is_bulk(self, tokens: int) -> bool:
        """Return whether a request with this many tokens enters the queue in slices."""
        return tokens > self._slice

    def check_room(self, tokens: int) -> None:
        """Reject a large request that cannot be held back.

        Raises:
            Overloaded: with this many more tokens the limit would be exceeded.
        """
        limit = _MAX_HELD_BACK * self._queue.limit
        if self.held_back and self.held_back + tokens > limit:
            waiting = self._queue.waiting + self.held_back
            raise Overloaded(waiting, limit, self._queue.seconds_for(waiting))

    async def put(self, pending: PendingRequest, texts: Mapping[int, Encoding]) -> int:
        """Add a large request's texts to the queue when there is room. If cancelled, the remaining texts are left out.

        Args:
            pending: the request. If it fails meanwhile, its remaining texts are left out.
            texts: its texts by the rows of its vectors that they fill.

        Returns:
            The number of texts that are shared with other requests.

        Raises:
            Overloaded: there is no room to hold the request back.
        """
        remaining = sum(map(len, texts.values()))
        self.check_room(remaining)
        self.held_back += remaining
        shared = 0
        try:
            for batch in self._slices(texts):
                tokens = sum(map(len, batch.values()))
                await self._wait_for_room(pending, tokens)
                if pending.done.done():
                    break
                self.held_back -= tokens
                remaining -= tokens
                shared += self._queue.put(pending, batch, bulk=True)
                self._on_arrival()
                self.release()
        finally:
            self.held_back -= remaining
            self.release()
        return shared

    def release(self) -> None:
        """Admit the next slice if there is room. Its request then releases the one after it."""
        while self._waiting and (self._waiting[0].done() or self._has_room(self._slice)):
            admitted = self._waiting.popleft()
            if not admitted.done():
                admitted.set_result(None)
                return

    def _slices(self, texts: Mapping[int, Encoding]) -> Iterator[dict[int, Encoding]]:
        current: dict[int, Encoding] = {}
        tokens = 0
        for row, encoding in texts.items():
            if current and tokens + len(encoding) > self._slice:
                yield current
                current, tokens = {}, 0
            current[row] = encoding
            tokens += len(encoding)
        yield current

    def _has_room(self, tokens: int) -> bool:
        queue = self._queue
        fits = queue.bulk_waiting + tokens <= self._limit and queue.waiting + tokens <= queue.limit
        return fits or not queue.waiting  # a single text may be longer than a slice

    async def _wait_for_room(self, pending: PendingRequest, tokens: int) -> None:
        """Wait for room for a slice, after the requests that wait already, or until the request has ended."""
        if not self._waiting and self._has_room(tokens):
            return
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(admitted)
        try:
            await asyncio.wait({admitted, pending.done}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            admitted.cancel()
