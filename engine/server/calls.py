"""Call slots: bound the number of calls in flight. Calls beyond it are rejected before anything is read."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from emberline.engine.batching.shares import ClientShares
from emberline.engine.errors import Overloaded, ShuttingDown

#: Maximum share of the slots that streams may hold, so that idle streams leave slots to short calls.
_STREAM_SHARE: Final = 0.5
#: Retry hint in seconds.
RETRY_SECONDS: Final = 0.1


class CallSlots:
    """Counts the calls in flight. Health and Info need no slot, so that a full server still reports its state.

    Belongs to the event loop.

    Attributes:
        limit: maximum number of calls in flight, streams included.
        last: time of the last call, accepted or not, in seconds of `time.monotonic`.
    """

    def __init__(self, limit: int, share: float = 1.0, what: str = "calls are in flight") -> None:
        """Start without calls.

        Args:
            limit: maximum number of calls in flight, streams included.
            share: maximum share of them that one client may have.
            what: what a refusal says of the calls.
        """
        self._shares = ClientShares(max(1.0, share * limit), what, lambda _: RETRY_SECONDS)
        self._what = what
        self.limit = limit
        self._stream_limit = max(1, int(limit * _STREAM_SHARE))
        self._in_flight = 0
        self._streams = 0
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.last = -math.inf

    @contextmanager
    def call(self, client: str = "", *, stream: bool = False) -> Iterator[None]:
        """Take a slot while the block runs.

        Args:
            client: name of the client; empty: its share is not bounded.
            stream: whether the call is a stream.

        Raises:
            ShuttingDown: the server accepts no new calls.
            Overloaded: all slots are taken, or the client's share of them.
        """
        self.check()
        if stream and self._streams >= self._stream_limit:
            raise Overloaded(self._streams, self._stream_limit, RETRY_SECONDS, "streams are open")
        self._in_flight += 1
        self._streams += stream
        self._idle.clear()
        try:
            with self._shares.hold(client):
                yield
        finally:
            self._in_flight -= 1
            self._streams -= stream
            if not self._in_flight:
                self._idle.set()

    def check(self) -> None:
        """Check that a call would be accepted now, for instance before its request is read.

        Raises:
            ShuttingDown, Overloaded: it would not.
        """
        self.last = time.monotonic()
        if self._closed:
            raise ShuttingDown
        if self._in_flight >= self.limit:
            raise Overloaded(self._in_flight, self.limit, RETRY_SECONDS, self._what)

    @property
    def idle(self) -> bool:
        """Whether no call is in flight."""
        return not self._in_flight

    async def close(self) -> None:
        """Reject new calls, and wait until those in flight have ended."""
        self._closed = True
        await self._idle.wait()
