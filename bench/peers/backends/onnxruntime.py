"""Plain ONNX Runtime: Emberline's own graphs, tokenized and run in batches of 32 in the order in which texts come."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort

from .base import BATCH, LibraryBackend, ModelFiles, load_tokenizer, packages, weight


class OnnxRuntimeBackend(LibraryBackend):
    """A session with the runtime's own defaults."""

    def __init__(self, given: ModelFiles, threads: int, precision: str) -> None:
        size = weight(given.encoders[precision])
        super().__init__(packages("onnxruntime", "tokenizers"), batches=False, encoder_bytes=size)
        self._tokenize = load_tokenizer(given.tokenizer, given.max_length)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # its warnings are about graphs, and standard error is for failures
        self._session = ort.InferenceSession(given.encoders[precision], options, providers=["CPUExecutionProvider"])

    def run(self, texts: Sequence[str]) -> Any:
        """One request, tokenize and run and nothing else: (B, H)."""
        return self._session.run(None, self._tokenize(texts))[0]

    async def dissect(self, text: str) -> dict[str, float]:
        """One request: seconds by part."""
        start = time.perf_counter()
        tokens = self._tokenize([text])
        made = time.perf_counter()
        self._session.run(None, tokens)
        return {"tokenize": made - start, "encode": time.perf_counter() - made}

    def run_all(self, texts: Sequence[str], order: str) -> Any:
        """Batches as the texts come: (N, H)."""
        del order
        parts = [self.run(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate(parts)


open_backend = OnnxRuntimeBackend
