"""Standard health checking that lets go of its watchers when the server ends."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2


class Health(health.aio.HealthServicer):  # type: ignore[misc]  # the package has no types
    """The standard service. A watch has no end of its own, and would hold a draining server to the last second."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = asyncio.Event()

    async def begin(self, service: str) -> None:
        """Say that a service, and with it the server, is served."""
        for name in ("", service):
            await self.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def end(self) -> None:
        """Say that nothing is served any more, and end the watches."""
        await self.enter_graceful_shutdown()
        self._ended.set()

    async def Watch(  # noqa: N802  # the contract's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """Tell a client of each change; see the standard's contract."""
        watch = asyncio.ensure_future(super().Watch(request, context))
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({watch, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            ended.cancel()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
