"""Standard gRPC health checking, whose watches end when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

from emberline.engine.errors import Overloaded

from .calls import CallSlots
from .status import abort, status_of


class Health(health.aio.HealthServicer):  # type: ignore[misc]  # the package has no types
    """The standard service. It ends its watches, which would otherwise delay a draining server to the last second."""

    def __init__(self, watches: int) -> None:
        """Report nothing as serving yet.

        Args:
            watches: maximum number of watches at a time; more are refused, so that they shut out no call.
        """
        super().__init__()
        self._watches = CallSlots(watches, what="watches are open")
        self._begun = False
        self._ended = asyncio.Event()

    def serving(self) -> bool:
        """Return whether new calls are welcome."""
        return self._begun and not self._ended.is_set()

    async def begin(self, services: Iterable[str]) -> None:
        """Report services, and the server, as serving."""
        for name in ("", *services):
            await self.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._begun = True

    async def end(self) -> None:
        """Report all services as not serving, and end the watches."""
        await self.enter_graceful_shutdown()
        self._ended.set()

    async def Watch(  # noqa: N802  # the contract's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Report each change of the status to a client; see the standard's contract."""
        try:
            with self._watches.call():
                watch = asyncio.ensure_future(super().Watch(request, context))
                ended = asyncio.ensure_future(self._ended.wait())
                try:
                    await asyncio.wait({watch, ended}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    watch.cancel()
                    ended.cancel()
        except Overloaded as error:
            await abort(context, status_of(error))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
