"""The tokenizer as a model for Triton's Python backend. It needs `tokenizers` and NumPy in the backend's environment.

The texts of a request are padded to the next bucket. Requests of similar length then have the same shape, and Triton
can put them into one batch of the encoder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton
from tokenizers import Tokenizer


class TritonPythonModel:
    """TEXT (B, 1) to input_ids and attention_mask (B, L)."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the tokenizer next to this file, with the settings of the model's configuration."""
        parameters = json.loads(args["model_config"])["parameters"]
        buckets = json.loads(parameters["buckets"]["string_value"])
        folder = Path(args["model_repository"]) / args["model_version"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max(buckets))
        self._buckets = sorted(buckets)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Tokenize each request separately; an invalid one fails alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        raw = triton.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
        try:
            texts = [bytes(text).decode("utf-8") for text in raw]
        except UnicodeDecodeError as error:
            return triton.InferenceResponse(error=triton.TritonError(f"TEXT is not UTF-8: {error}"))
        if not all(text.strip() for text in texts):
            return triton.InferenceResponse(error=triton.TritonError("TEXT has an empty text"))
        encodings = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        longest = max(map(len, encodings))
        ids = np.zeros((len(texts), next(size for size in self._buckets if size >= longest)), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(encodings):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return triton.InferenceResponse([triton.Tensor("input_ids", ids), triton.Tensor("attention_mask", mask)])
