"""Admission: which requests may start, and when the last of them has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import DeadlineExceeded, ShuttingDown
from .records import RequestOptions
from .validation import check_priority


class Admission:
    """Counts the requests in flight, and refuses new ones once it is closed. Belongs to the event loop."""

    def __init__(self) -> None:
        self._in_flight = 0
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def admit(self, terms: RequestOptions) -> Iterator[None]:
        """Admit a request for as long as the block runs.

        Raises:
            ShuttingDown: the server is stopping.
            InvalidInput: the priority is out of its range.
            DeadlineExceeded: the deadline has passed already.
        """
        if self._closed:
            raise ShuttingDown
        check_priority(terms)
        if terms.deadline is not None and terms.deadline <= time.monotonic():
            raise DeadlineExceeded("the deadline had passed before the work began; allow more time")
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def close(self) -> None:
        """Refuse new requests, and wait until those in flight have ended."""
        self._closed = True
        await self._idle.wait()
