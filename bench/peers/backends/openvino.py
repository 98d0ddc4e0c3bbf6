"""OpenVINO: the fp32 graph, the same in the precision that it prefers on this CPU, and nncf's static int8."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino as ov

from .base import LibraryBackend, ModelFiles, batch_size, by_length, load_tokenizer, packages, weight

_INT8: Final = "encoder.int8.xml"


class OpenVinoBackend(LibraryBackend):
    """The model compiled twice, with the runtime's own hints: for a lone request and for many."""

    def __init__(self, given: ModelFiles, threads: int, precision: str) -> None:
        """Compile the graph in ``fp32``, in its ``own`` choice of precision, or in ``int8``."""
        file = str(Path(given.work) / _INT8) if precision == "int8" else given.encoders["fp32"]
        # Its own format keeps the weights beside the graph.
        files = [file, Path(file).with_suffix(".bin")] if file.endswith(".xml") else [file]
        super().__init__(packages("openvino", "nncf"), batches=True, encoder_bytes=weight(*files))
        self._tokenize = load_tokenizer(given.tokenizer, given.max_length)
        self._hidden = given.hidden
        core = ov.Core()
        model = core.read_model(file)
        options: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads}
        if precision == "fp32":  # otherwise it computes in bfloat16 where the CPU can
            options["INFERENCE_PRECISION_HINT"] = "f32"
        self._lone = core.compile_model(model, "CPU", {**options, "PERFORMANCE_HINT": "LATENCY"})
        self._many = core.compile_model(model, "CPU", {**options, "PERFORMANCE_HINT": "THROUGHPUT"})
        hint = self._many.get_property("INFERENCE_PRECISION_HINT")
        self.about["computes_in"] = str(hint.get_type_name())

    def run(self, texts: Sequence[str]) -> Any:
        """One request: (B, H)."""
        return self._lone(self._tokenize(texts))[0]

    def run_all(self, texts: Sequence[str], order: str) -> Any:
        """Length-sorted batches, as many at a time as the runtime asks for: (N, H)."""
        vectors = np.empty((len(texts), self._hidden), np.float32)
        queue = ov.AsyncInferQueue(self._many)

        def keep(request: Any, places: list[int]) -> None:
            vectors[places] = request.get_output_tensor(0).data

        queue.set_callback(keep)
        for places in by_length(texts, batch_size(order)):
            queue.start_async(self._tokenize([texts[place] for place in places]), places)
        queue.wait_all()
        return vectors


open_backend = OpenVinoBackend


def prepare(given: ModelFiles) -> None:
    """Quantise with nncf, by the recipe of its documentation for transformers."""
    import nncf

    tokenize = load_tokenizer(given.tokenizer, given.max_length)
    texts = json.loads(Path(given.calibration).read_text(encoding="utf-8"))
    dataset = nncf.Dataset(texts, lambda text: tokenize([text]))
    model = ov.Core().read_model(given.encoders["fp32"])
    quantised = nncf.quantize(model, dataset, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(texts))
    ov.save_model(quantised, Path(given.work) / _INT8)
