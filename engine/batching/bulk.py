"""Admission of large requests: slice by slice, so that the queue always has room for small ones.

A request above the size of a slice shares three quarters of the queue with the other large ones, in turns of a slice
each. Its texts that are not in the queue yet are held, up to a bound of their own. So a request of a thousand texts
neither shuts small requests out nor is shut out by them.
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

#: Slices that the whole queue holds, and tokens of the smallest slice. Small slices share the queue finely among large
#: requests; each costs a wake-up, and keeps the cores busy only so long.
_SLICES: Final = 16
_MIN_SLICE: Final = 512
#: Share of the queue that large requests may fill.
_BULK_SHARE: Final = 0.75
#: Tokens of large requests that are held beside the queue, as a multiple of the queue's limit.
_HELD: Final = 8


class BulkAdmission:
    """Puts the texts of large requests into a queue. Belongs to the event loop.

    Attributes:
        held: tokens of large requests that are not in the queue yet.
    """

    def __init__(self, queue: RequestQueue, arrived: Callable[[], None]) -> None:
        """Share a queue.

        Args:
            queue: the queue; whoever takes texts out of it calls `release` afterwards.
            arrived: called when a slice is in the queue.
        """
        self.held = 0
        self._arrived = arrived
        self._queue = queue
        self._slice = max(_MIN_SLICE, queue.limit // _SLICES)
        self._limit = max(self._slice, int(queue.limit * _BULK_SHARE))
        self._waiting: deque[asyncio.Future[None]] = deque()

    def is_bulk(self, tokens: int) -> bool:
        """Whether a request of so many tokens is admitted slice by slice."""
        return tokens > self._slice

    def check_room(self, tokens: int) -> None:
        """Reject a large request that cannot even be held.

        Raises:
            Overloaded: so many tokens more would be over the bound.
        """
        limit = _HELD * self._queue.limit
        if self.held and self.held + tokens > limit:
            waiting = self._queue.waiting + self.held
            raise Overloaded(waiting, limit, self._queue.seconds_for(waiting))

    async def put(self, pending: PendingRequest, texts: Mapping[int, Encoding]) -> int:
        """Put a large request's texts into the queue as room appears. Cancelled, it leaves the rest out.

        Args:
            pending: the request. If it fails on the way, the rest is left out.
            texts: its texts by the rows of its vectors that they fill.

        Returns:
            The number of texts that are shared with other requests.

        Raises:
            Overloaded: there is no room to hold the request.
        """
        unheld = sum(map(len, texts.values()))
        self.check_room(unheld)
        self.held += unheld
        shared = 0
        try:
            for part in self._parts(texts):
                tokens = sum(map(len, part.values()))
                await self._room(pending, tokens)
                if pending.done.done():
                    break
                self.held -= tokens
                unheld -= tokens
                shared += self._queue.put(pending, part, bulk=True)
                self._arrived()
                self.release()
        finally:
            self.held -= unheld
            self.release()
        return shared

    def release(self) -> None:
        """Let the next slice in, if there is room for it. Its request releases the one after it."""
        while self._waiting and (self._waiting[0].done() or self._has_room(self._slice)):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _parts(self, texts: Mapping[int, Encoding]) -> Iterator[dict[int, Encoding]]:
        part: dict[int, Encoding] = {}
        tokens = 0
        for row, encoding in texts.items():
            if part and tokens + len(encoding) > self._slice:
                yield part
                part, tokens = {}, 0
            part[row] = encoding
            tokens += len(encoding)
        yield part

    def _has_room(self, tokens: int) -> bool:
        queue = self._queue
        fits = queue.bulk_waiting + tokens <= self._limit and queue.waiting + tokens <= queue.limit
        return fits or not queue.waiting  # a single text may be longer than a slice

    async def _room(self, pending: PendingRequest, tokens: int) -> None:
        """Wait for room for a slice, behind those that wait already, or until the request is over."""
        if not self._waiting and self._has_room(tokens):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait({turn, pending.done}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            turn.cancel()
