"""infinity-emb: its engine, called in process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from infinity_emb import AsyncEmbeddingEngine, EngineArgs

from .base import WEIGHTS, ModelFiles, PeerBackend, packages, weight


class InfinityBackend(PeerBackend):
    """An engine. It sorts what waits by length and cuts into batches of up to 32 itself."""

    def __init__(self, engine: Any, encoder_bytes: int) -> None:
        super().__init__(packages("infinity-emb", "torch"), batches=False, encoder_bytes=encoder_bytes)
        self._engine = engine

    async def encode(self, texts: Sequence[str]) -> Any:
        """One request: (B, H)."""
        vectors, _ = await self._engine.embed(sentences=list(texts))
        return np.stack(vectors).astype(np.float32)

    async def bulk(self, texts: Sequence[str], order: str) -> Any:
        """All texts as one request: (N, H)."""
        del order
        return await self.encode(texts)

    async def close(self) -> None:
        """Stop the engine."""
        await self._engine.astop()


async def open_backend(given: ModelFiles, threads: int) -> InfinityBackend:
    """Start an engine with its own defaults."""
    import torch

    torch.set_num_threads(threads)
    checkpoint = given.checkpoint
    engine = AsyncEmbeddingEngine.from_args(
        EngineArgs(model_name_or_path=checkpoint, engine="torch", device="cpu", dtype="float32", model_warmup=False)
    )
    await engine.astart()
    return InfinityBackend(engine, weight(Path(checkpoint) / WEIGHTS))
