"""The server behind a socket, on this machine: what a caller waits for, serialisation and transport included.

Client and server share the machine's cores, as they would not in production; what one takes, the other lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from emberline.bench.harness.serving import ServerProcess
from emberline.engine.client.asynchronous import AsyncClient
from emberline.engine.records import Floats, User
from emberline.engine.references import by_id

from .inprocess import OUTPUT, OwnBackend, parts

#: Seconds for an answer: the longest bulk request on a slow machine.
_TIMEOUT: Final = 600.0
#: Items a recommendation.
_K: Final = 10


class ServerBackend(OwnBackend):
    """A server in a process of its own, and a client of it.

    Attributes:
        model_pid: the server's process.
        about: nothing.
        client: of the server.
    """

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.client = AsyncClient(server.address, timeout=_TIMEOUT)
        self.model_pid = server.pid
        self.about: dict[str, Any] = {}

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""
        encoded = await self.client.encode(texts)
        return encoded.outputs[OUTPUT]

    async def dissect(self, text: str) -> dict[str, float]:
        """One request: seconds by part, as the server tells them."""
        return parts((await self.client.encode((text,))).timings)

    async def ping(self) -> None:
        """Ask what runs, which takes no work."""
        await self.client.info()

    async def close(self) -> None:
        """End the connection and the server."""
        await self.client.close()
        await asyncio.to_thread(self._server.close)


class RecommendBackend(ServerBackend):
    """A server and a client of it. What other backends take for texts are ids of items here."""

    async def encode(self, texts: Sequence[str]) -> Any:
        """One request: ten items for a user who liked those with the given ids."""
        return await self.client.recommend(User(history=tuple(map(by_id, texts))), _K)

    async def dissect(self, text: str) -> dict[str, float]:
        """One request for a user who liked the items whose ids stand in a text: seconds by part."""
        return parts((await self.encode(text.split())).timings)


B = TypeVar("B", bound=ServerBackend)


async def open_backend(bundle: str, precision: str, threads: int, device: str = "cpu") -> ServerBackend:
    """Start a server with a catalogue of its own, and connect; see `ServerProcess`."""
    return await _ready(ServerBackend(await asyncio.to_thread(ServerProcess, bundle, precision, threads, device)))


async def open_recommending(bundle: str, precision: str, threads: int, catalogue: str) -> RecommendBackend:
    """Start a server over a catalogue, and connect; see `ServerProcess`."""
    server = await asyncio.to_thread(ServerProcess, bundle, precision, threads, catalogue=catalogue)
    return await _ready(RecommendBackend(server))


async def _ready(backend: B) -> B:
    await backend.client.wait_ready()
    return backend
