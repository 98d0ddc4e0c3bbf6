"""A backend without a model: a text's vector is made of its length. Workers of the tests open it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np


class _FakeBackend:
    def __init__(self, refuse: str) -> None:
        self.model_pid = os.getpid()
        self.about: dict[str, Any] = {"threads": os.environ["OMP_NUM_THREADS"], "encoder_bytes": 4_000_000}
        self._refuse = refuse

    async def encode(self, texts: Sequence[str]) -> Any:
        print("what a library says on standard output is no answer")
        if self._refuse in texts:
            raise ValueError(f"no vector for {self._refuse!r}")
        return np.array([[len(text), 1.0] for text in texts], np.float32)

    async def serve(self, text: str) -> Any:
        return await self.encode([text])

    async def bulk(self, texts: Sequence[str], order: str) -> Any:
        assert order in ("sorted", "arrival")
        return await self.encode(texts)

    async def close(self) -> None:
        pass


async def open_backend(refuse: str = "", fail: bool = False) -> _FakeBackend:
    """Open it, or fail."""
    if fail:
        print("the disk is full", flush=True)
        raise RuntimeError("no model here")
    return _FakeBackend(refuse)
