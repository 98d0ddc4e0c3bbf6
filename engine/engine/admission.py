"""Admission: counts the requests in flight, rejects new ones while the engine drains, and holds changes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from emberline.engine.errors import ShuttingDown
from emberline.engine.records import RequestOptions
from emberline.engine.validation import check_deadline, check_priority


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


class ChangeGate:
    """Lets changes of the catalogue pass, unless they are held back for a moment. Belongs to the event loop."""

    def __init__(self) -> None:
        self._running = 0
        self._open, self._idle = asyncio.Event(), asyncio.Event()
        self._open.set()
        self._idle.set()

    @asynccontextmanager
    async def change(self) -> AsyncIterator[None]:
        """Make a change in the block, once changes are let pass."""
        while not self._open.is_set():
            await self._open.wait()
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Wait for the changes that are being made, and hold others back while the block runs."""
        self._open.clear()
        try:
            await self._idle.wait()
            yield
        finally:
            self._open.set()
