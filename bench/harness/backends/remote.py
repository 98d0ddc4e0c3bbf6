"""The server behind a socket, on this machine: what a caller waits for, serialisation and transport included.

Client and server share the machine's cores, as they would not in production; what one takes, the other lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from emberline.bench.harness.serving import ServerProcess
from emberline.engine.client.asynchronous import AsyncClient
from emberline.engine.records import Floats

from .inprocess import OUTPUT, OwnBackend, parts

#: Seconds for an answer: the longest bulk request on a slow machine.
_TIMEOUT: Final = 600.0


class ServerBackend(OwnBackend):
    """A server in a process of its own, and a client of it.

    Attributes:
        model_pid: the server's process.
        about: nothing.
    """

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._client = AsyncClient(server.address, timeout=_TIMEOUT)
        self.model_pid = server.pid
        self.about: dict[str, Any] = {}

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""
        encoded = await self._client.encode(texts)
        return encoded.outputs[OUTPUT]

    async def dissect(self, text: str) -> dict[str, float]:
        """One request: seconds by part, as the server tells them."""
        return parts((await self._client.encode((text,))).timings)

    async def ping(self) -> None:
        """Ask what runs, which takes no work."""
        await self._client.info()

    async def ready(self) -> None:
        """Wait until the server answers."""
        await self._client.wait_ready()

    async def close(self) -> None:
        """End the connection and the server."""
        await self._client.close()
        await asyncio.to_thread(self._server.close)


async def open_backend(bundle: str, precision: str, threads: int, device: str = "cpu") -> ServerBackend:
    """Start a server with a catalogue of its own, and connect; see `ServerProcess`."""
    backend = ServerBackend(await asyncio.to_thread(ServerProcess, bundle, precision, threads, device))
    await backend.ready()
    return backend
