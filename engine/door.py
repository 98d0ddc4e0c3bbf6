"""Who is let in, and when the last of them has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import DeadlineExceeded, ShuttingDown
from .records import Terms
from .validation import check_priority


class Door:
    """Counts requests in and out, until it is closed to new ones. Belongs to the event loop."""

    def __init__(self) -> None:
        self._inside = 0
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    @contextmanager
    def opened(self, terms: Terms) -> Iterator[None]:
        """Let a request in for as long as the block runs.

        Raises:
            ShuttingDown: the door is closed.
            InvalidInput: the priority is out of its range.
            DeadlineExceeded: the deadline has passed already.
        """
        if self._closed:
            raise ShuttingDown
        check_priority(terms)
        if terms.deadline is not None and terms.deadline <= time.monotonic():
            raise DeadlineExceeded("the deadline had passed before the work began; allow more time")
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def close(self) -> None:
        """Let nobody in any more, and wait until all have left."""
        self._closed = True
        await self._empty.wait()
