"""A server asked for recommendations: its users are given by the ids of what they liked, so no text is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from emberline.engine.client.references import by_id
from emberline.engine.records import User

from .parts import parts
from .remote import ServerTarget, start

#: Items a recommendation.
_K: Final = 10


class RecommendTarget(ServerTarget):
    """A server and a client of it. What other targets take for texts are ids of items here."""

    async def encode(self, texts: Sequence[str]) -> Any:
        """One request: ten items for a user who liked those with the given ids."""
        return await self._client.recommend(User(history=tuple(map(by_id, texts))), _K)

    async def dissect(self, text: str) -> dict[str, float]:
        """One request for a user who liked the items whose ids stand in a text: seconds by part."""
        user = User(history=tuple(map(by_id, text.split())))
        return parts((await self._client.recommend(user, _K)).timings)


async def open_target(bundle: str, precision: str, threads: int, catalogue: str) -> RecommendTarget:
    """Start a server over a catalogue, and connect.

    Args:
        bundle: its folder.
        precision: of the encoder, which is loaded and not asked.
        threads: that compute.
        catalogue: the catalogue's file.

    Raises:
        BenchError: it did not start.
    """
    return RecommendTarget(*await start(bundle, precision, threads, catalogue))
