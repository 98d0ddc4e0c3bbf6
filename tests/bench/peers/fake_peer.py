"""A peer that runs in Emberline's own environment: plain ONNX Runtime, with faults on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emberline.bench.peers.backends.base import ModelFiles
from emberline.bench.peers.backends.onnxruntime import OnnxRuntimeBackend


class _FakePeer(OnnxRuntimeBackend):
    def __init__(self, given: ModelFiles, precision: str, threads: int, turned: bool, fails_after: int | None) -> None:
        super().__init__(given, threads, precision)
        self.about["batches"] = True
        self._turned = turned
        self._left = fails_after

    def run_all(self, texts: Sequence[str], order: str) -> Any:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise MemoryError("nothing is left")
        vectors = super().run_all(texts, order)
        return vectors[:, ::-1] if self._turned else vectors


async def open_backend(
    files: dict[str, Any], threads: int, precision: str, turned: bool = False, fails_after: int | None = None
) -> _FakePeer:
    """Open it; it cannot be opened if it fails after nothing."""
    if fails_after == 0:
        raise RuntimeError("no such model")
    return _FakePeer(ModelFiles(**files), precision, threads, turned, fails_after)
