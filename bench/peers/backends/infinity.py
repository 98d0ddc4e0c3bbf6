"""infinity-emb: its engine, called in process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from infinity_emb import AsyncEmbeddingEngine, EngineArgs

from .material import WEIGHTS, Material, packages, restrict, weight


class InfinityTarget:
    """An engine. It sorts what waits by length and cuts into batches of up to 32 itself.

    Attributes:
        model_pid: this process.
        about: its packages, and the bytes of the encoder's weights.
    """

    def __init__(self, engine: Any, encoder_bytes: int) -> None:
        self._engine = engine
        self.model_pid = os.getpid()
        about = packages("infinity-emb", "torch")
        self.about: dict[str, Any] = {"packages": about, "batches": False, "encoder_bytes": encoder_bytes}

    async def encode(self, texts: Sequence[str]) -> Any:
        """One request: (B, H)."""
        vectors, _ = await self._engine.embed(sentences=list(texts))
        return np.stack(vectors).astype(np.float32)

    async def serve(self, text: str) -> Any:
        """One request among others: (1, H)."""
        return await self.encode([text])

    async def bulk(self, texts: Sequence[str], order: str) -> Any:
        """All texts as one request: (N, H)."""
        del order
        return await self.encode(texts)

    async def close(self) -> None:
        """Stop the engine."""
        await self._engine.astop()


async def open_target(material: dict[str, Any], threads: int) -> InfinityTarget:
    """Start an engine with its own defaults.

    Args:
        material: see `Material`.
        threads: that compute.
    """
    import torch

    restrict(threads)
    torch.set_num_threads(threads)
    checkpoint = Material(**material).checkpoint
    engine = AsyncEmbeddingEngine.from_args(
        EngineArgs(
            model_name_or_path=checkpoint,
            engine="torch",
            device="cpu",
            dtype="float32",
            model_warmup=False,
        )
    )
    await engine.astart()
    return InfinityTarget(engine, weight(Path(checkpoint) / WEIGHTS))
