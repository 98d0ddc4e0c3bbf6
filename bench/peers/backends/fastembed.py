"""fastembed: its text embedding with Emberline's ONNX file as a custom model."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

from .base import LibraryBackend, ModelFiles, batch_size, packages, weight

_NAME: Final = "emberline/encoder"
_FILE: Final = "encoder.onnx"
#: Its default. It takes texts as they come and pads each batch to its longest.
_BATCH: Final = 256


class FastembedBackend(LibraryBackend):
    """The fp32 encoder."""

    def __init__(self, given: ModelFiles, threads: int) -> None:
        size = weight(given.encoders["fp32"])
        super().__init__(packages("fastembed", "onnxruntime"), batches=True, encoder_bytes=size)
        TextEmbedding.add_custom_model(
            model=_NAME,
            pooling=PoolingType.DISABLED,  # the graph pools and normalises
            normalization=False,
            sources=ModelSource(url="file:///nowhere"),  # it wants one; the folder below is used
            dim=given.hidden,
            model_file=_FILE,
        )
        self._model = TextEmbedding(_NAME, threads=threads, specific_model_path=given.work)

    def run(self, texts: Sequence[str]) -> Any:
        """One request: (B, H)."""
        return self.run_all(texts, "sorted")

    def run_all(self, texts: Sequence[str], order: str) -> Any:
        """All texts in their own order, in batches of 256 or of another size: (N, H)."""
        return np.stack(list(self._model.embed(list(texts), batch_size=batch_size(order, _BATCH))))


open_backend = FastembedBackend


def prepare(given: ModelFiles) -> None:
    """Put graph and tokenizer into one folder."""
    work = Path(given.work)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(Path(given.checkpoint) / name, work)
    shutil.copy(given.encoders["fp32"], work / _FILE)
