"""CTranslate2: its encoder in int8; pooling is the caller's, as in its documentation's example for BERT."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np

from .base import LibraryBackend, ModelFiles, batch_size, by_length, load_tokenizer, packages, weight

_MODEL: Final = "model"


class CTranslate2Backend(LibraryBackend):
    """Two encoders over the same file: one that puts all threads on a request, one that works on several at a time."""

    def __init__(self, given: ModelFiles, threads: int) -> None:
        weights = Path(given.work) / _MODEL / "model.bin"
        super().__init__(packages("ctranslate2"), batches=True, encoder_bytes=weight(weights))
        self._tokenize = load_tokenizer(given.tokenizer, given.max_length)
        self._hidden = given.hidden
        folder = str(Path(given.work) / _MODEL)
        options = {"device": "cpu", "compute_type": "int8"}
        self._lone = ctranslate2.Encoder(folder, inter_threads=1, intra_threads=threads, **options)
        self._many = ctranslate2.Encoder(folder, inter_threads=threads, intra_threads=1, **options)
        self._callers = ThreadPoolExecutor(threads)

    def run(self, texts: Sequence[str]) -> Any:
        """One request: (B, H)."""
        return self._vectors(self._lone, texts)

    def run_all(self, texts: Sequence[str], order: str) -> Any:
        """Length-sorted batches, one a thread at a time: (N, H)."""
        batches = list(by_length(texts, batch_size(order)))
        parts = self._callers.map(lambda places: self._vectors(self._many, [texts[place] for place in places]), batches)
        vectors = np.empty((len(texts), self._hidden), np.float32)
        for places, part in zip(batches, parts, strict=True):
            vectors[places] = part
        return vectors

    def _vectors(self, encoder: Any, texts: Sequence[str]) -> Any:
        tokens = self._tokenize(texts)
        mask = tokens["attention_mask"]  # (B, L)
        lengths = mask.sum(axis=1)
        ids = [row[:length].tolist() for row, length in zip(tokens["input_ids"], lengths, strict=True)]
        states = np.asarray(encoder.forward_batch(ids).last_hidden_state)  # (B, L, H)
        mean = (states * mask[:, :, None]).sum(axis=1) / lengths[:, None]
        return (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)


open_backend = CTranslate2Backend


def prepare(given: ModelFiles) -> None:
    """Convert the checkpoint."""
    converter = ctranslate2.converters.TransformersConverter(given.checkpoint)
    converter.convert(str(Path(given.work) / _MODEL), quantization="int8", force=True)
