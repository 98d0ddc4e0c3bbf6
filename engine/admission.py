"""Admission: counts the requests in flight, and rejects new ones while the engine drains."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ShuttingDown
from .records import RequestOptions
from .validation import check_deadline, check_priority


class Admission:
    """Admits requests until it is closed. Belongs to the event loop."""

    def __init__(self) -> None:
        self._in_flight = 0
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def admit(self, options: RequestOptions) -> Iterator[None]:
        """Admit a request; it is in flight while the block runs.

        Raises:
            ShuttingDown: the engine drains.
            InvalidInput: the priority is out of its range.
            DeadlineExceeded: the deadline has passed already.
        """
        if self._closed:
            raise ShuttingDown
        check_priority(options)
        check_deadline(options, "had passed before the work began; allow more time")
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is in flight; new ones are still admitted."""
        await self._idle.wait()

    async def close(self) -> None:
        """Reject new requests, and wait until those in flight have ended."""
        self._closed = True
        await self._idle.wait()
