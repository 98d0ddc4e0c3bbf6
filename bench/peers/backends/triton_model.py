"""Triton's side: a model of its Python backend that tokenizes, runs the ONNX graph and answers each request.

Copied into the server's model repository; Triton's own Python stub runs it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

# Triton's embedded Python does not look at PYTHONPATH: it would find the packages of whoever built it.
sys.path.insert(0, os.environ["PEER_PACKAGES"])

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as triton
from tokenizers import Tokenizer


class TritonPythonModel:
    """One instance of the model, in a process of its own."""

    def initialize(self, arguments: dict[str, Any]) -> None:
        """Load tokenizer and graph; called by Triton."""
        parameters = {
            name: entry["string_value"] for name, entry in json.loads(arguments["model_config"])["parameters"].items()
        }
        self._tokenizer = Tokenizer.from_file(parameters["tokenizer"])
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(parameters["max_length"]))
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(parameters["threads"])
        # Instances share the cores: one that spins for work takes another's.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(parameters["encoder"], options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests that Triton has put into one batch; called by Triton."""
        asked = [triton.get_input_tensor_by_name(request, "text").as_numpy().ravel() for request in requests]
        encodings = self._tokenizer.encode_batch_fast([text.decode() for part in asked for text in part])
        shape = len(encodings), max(len(encoding.ids) for encoding in encodings)
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        vectors = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]  # (B, H)
        parts = np.split(vectors, np.cumsum([len(part) for part in asked])[:-1])
        return [triton.InferenceResponse([triton.Tensor("sentence_embedding", part)]) for part in parts]
