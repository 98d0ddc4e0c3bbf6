"""The engine in the caller's own process: what Emberline costs without a socket."""

from __future__ import annotations

import asyncio
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.records import EncodeRequest, Floats, RequestOptions, Timings

#: Texts a request of bulk work: enough for the planner to sort, and below what a request may hold.
CHUNK: Final = 512
OUTPUT: Final = "sentence_embedding"


class OwnBackend(ABC):
    """What the engine and a client of its server have in common."""

    @abstractmethod
    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""

    async def serve(self, text: str) -> Floats:
        """One request among others: (1, H)."""
        return await self.encode((text,))

    async def bulk(self, texts: Sequence[str], order: str) -> Floats:
        """Requests of `CHUNK` texts, whose order is the planner's: (N, H)."""
        del order
        chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        return np.concatenate([await self.encode(chunk) for chunk in chunks])


def parts(timings: Timings) -> dict[str, float]:
    """Seconds by part: tokens, waiting for a batch, the encoder, towers and search, and all else in the engine."""
    named = {"tokenize": timings.tokenize, "wait": timings.queue, "encode": timings.encode, "score": timings.score}
    return {**named, "engine": timings.total - sum(named.values())}


class EngineBackend(OwnBackend):
    """An engine.

    Attributes:
        model_pid: this process.
        about: nothing.
    """

    def __init__(self, engine: Engine, folder: tempfile.TemporaryDirectory[str]) -> None:
        self._engine = engine
        self._folder = folder
        self.model_pid = os.getpid()
        self.about: dict[str, Any] = {}

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""
        encoded = await self._engine.encode(EncodeRequest(tuple(texts)), RequestOptions())
        return encoded.outputs[OUTPUT]

    async def dissect(self, text: str) -> dict[str, float]:
        """One request: seconds by part."""
        return parts((await self._engine.encode(EncodeRequest((text,)), RequestOptions())).timings)

    async def close(self) -> None:
        """Drain the engine and remove its catalogue."""
        await self._engine.drain()
        await asyncio.to_thread(self._folder.cleanup)


async def open_backend(bundle: str, precision: Any, threads: int, device: str = "cpu") -> EngineBackend:
    """Start an engine with a catalogue of its own."""
    folder = tempfile.TemporaryDirectory()
    config = EngineConfig(
        bundle=Path(bundle),
        precision=precision,
        threads=threads,
        device=device,
        allow_failed_gate=True,
        max_cache_bytes=0,  # rounds repeat the texts, and shall measure the encoder
        catalogue=Path(folder.name) / "catalogue.sqlite",
    )
    return EngineBackend(await Engine.start(config), folder)
