"""The reference: the trained model itself, in PyTorch, eager, fp32."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from emberline.engine.records import Floats
from emberline.export.training.encoding import tokens
from emberline.export.training.run import load_run
from emberline.export.training.trained import TrainedModel

#: Texts a batch of bulk work, as in sentence-transformers.
BULK_BATCH: Final = 32
#: Texts taken from the line at a time, sorted by length, and texts a batch made of them: on a CPU padding costs more
#: than a larger batch gains, so a server that padded 32 texts of all lengths would be too easy an opponent.
LINE: Final = 32
LINE_BATCH: Final = 8


class PyTorchBackend:
    """A run's encoder, driven as sentence-transformers drives one.

    Attributes:
        model_pid: this process.
        about: the size of the encoder.
    """

    def __init__(self, trained: TrainedModel, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._encoder = trained.model.encoder.eval().to(self._device)
        self._tokenizer = trained.tokenizer
        self._waiting: list[tuple[str, asyncio.Future[Floats]]] = []
        self._serving: asyncio.Task[None] | None = None
        # One at a time: a second batch would fight the first for the same cores.
        self._thread = ThreadPoolExecutor(1)
        self.model_pid = os.getpid()
        weights = sum(parameter.nbytes for parameter in self._encoder.parameters())
        self.about: dict[str, Any] = {"encoder_bytes": weights}

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request as one batch, in the calling thread: (B, H)."""
        return self._batch(texts)

    async def serve(self, text: str) -> Floats:
        """One request among others: of what waits, up to `LINE` texts are sorted and encoded in batches; (H,)."""
        future: asyncio.Future[Floats] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, future))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return await future

    async def bulk(self, texts: Sequence[str], order: str) -> Floats:
        """Batches of `BULK_BATCH`; ``sorted``: by characters, longest first, as in sentence-transformers; (N, H)."""
        places = list(range(len(texts)))
        if order == "sorted":
            places.sort(key=lambda place: -len(texts[place]))
        batches = [places[start : start + BULK_BATCH] for start in range(0, len(places), BULK_BATCH)]
        vectors = np.concatenate([self._batch([texts[place] for place in batch]) for batch in batches])
        restored = np.empty_like(vectors)
        restored[places] = vectors
        return restored

    async def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            taken, self._waiting = sorted(self._waiting[:LINE], key=lambda one: len(one[0])), self._waiting[LINE:]
            for start in range(0, len(taken), LINE_BATCH):
                batch = taken[start : start + LINE_BATCH]
                try:
                    vectors = await loop.run_in_executor(self._thread, self._batch, [text for text, _ in batch])
                except Exception as error:  # each of the batch's requests has to hear of it
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), vector in zip(batch, vectors, strict=True):
                    if not future.done():  # its caller has gone
                        future.set_result(vector)

    def _batch(self, texts: Sequence[str]) -> Floats:
        ids, mask = tokens(self._tokenizer, texts)
        with torch.inference_mode():
            found = self._encoder(ids.to(self._device), mask.to(self._device)).sentence_embedding
        vectors: Floats = found.cpu().numpy()
        return vectors


async def open_backend(run: str, threads: int, device: str = "cpu") -> PyTorchBackend:
    """Load a run's model, whose tokenizer cuts texts where the bundle's does."""
    torch.set_num_threads(threads)
    return PyTorchBackend(load_run(Path(run)).trained, device)
