"""A server asked for recommendations: its users are given by the ids of what they liked, so no text is encoded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from emberline.bench.harness.serving import ServerProcess
from emberline.engine.client.references import by_id
from emberline.engine.records import User

from .inprocess import parts
from .remote import ServerBackend

#: Items a recommendation.
_K: Final = 10


class RecommendBackend(ServerBackend):
    """A server and a client of it. What other backends take for texts are ids of items here."""

    async def encode(self, texts: Sequence[str]) -> Any:
        """One request: ten items for a user who liked those with the given ids."""
        return await self._client.recommend(User(history=tuple(map(by_id, texts))), _K)

    async def dissect(self, text: str) -> dict[str, float]:
        """One request for a user who liked the items whose ids stand in a text: seconds by part."""
        return parts((await self.encode(text.split())).timings)


async def open_backend(bundle: str, precision: str, threads: int, catalogue: str) -> RecommendBackend:
    """Start a server over a catalogue, and connect; see `ServerProcess`."""
    server = await asyncio.to_thread(ServerProcess, bundle, precision, threads, catalogue=catalogue)
    backend = RecommendBackend(server)
    await backend.ready()
    return backend
