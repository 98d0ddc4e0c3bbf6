"""A connection of HTTP/1.1 by uvicorn, with limits that uvicorn has not: of the head, and of slow clients."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Seconds within which the head of a request must have come, and an answer must go on.
_SECONDS: Final = 10.0
#: Bytes of a head, as more than come at once.
_HEAD_BYTES: Final = 65_536


class HttpConnection(HttpToolsProtocol):
    """Ends connections whose clients send a head, or take an answer, too slowly."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for the first head."""
        super().connection_made(transport)
        self._reading = self.loop.call_later(_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head is too long."""
        super().data_received(data)
        if self._reading is not None:
            self._head += len(data)
            if self._head > _HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Wait for the rest of a head."""
        super().on_message_begin()
        if self._reading is None:
            self._reading = self.loop.call_later(_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        """Answer a request whose head has come."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading, self._head = None, 0
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Wait for the client to take what was sent."""
        super().pause_writing()
        self._writing = self.loop.call_later(_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Send on."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End what waits."""
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
