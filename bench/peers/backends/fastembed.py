"""fastembed: its text embedding with Emberline's ONNX file as a custom model."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

from .base import ModelFiles, PeerBackend, batch_size, packages, restrict, weight

_NAME: Final = "emberline/encoder"
_FILE: Final = "encoder.onnx"
#: Its default. It takes texts as they come and pads each batch to its longest.
_BATCH: Final = 256


class FastembedBackend(PeerBackend):
    """A model."""

    def __init__(self, model: Any, encoder_bytes: int) -> None:
        super().__init__(packages("fastembed", "onnxruntime"), batches=True, encoder_bytes=encoder_bytes)
        self._model = model

    def run(self, texts: Sequence[str]) -> Any:
        """One request: (B, H)."""
        return self.run_all(texts, "sorted")

    def run_all(self, texts: Sequence[str], order: str) -> Any:
        """All texts in their own order, in batches of 256 or of another size: (N, H)."""
        return np.stack(list(self._model.embed(list(texts), batch_size=batch_size(order, _BATCH))))


async def open_backend(files: dict[str, Any], threads: int) -> PeerBackend:
    """Load the fp32 encoder."""
    restrict(threads)
    given = ModelFiles(**files)
    TextEmbedding.add_custom_model(
        model=_NAME,
        pooling=PoolingType.DISABLED,  # the graph pools and normalises
        normalization=False,
        sources=ModelSource(url="file:///nowhere"),  # it wants one; the folder below is used
        dim=given.hidden,
        model_file=_FILE,
    )
    model = TextEmbedding(_NAME, threads=threads, specific_model_path=given.work)
    return FastembedBackend(model, weight(given.encoders["fp32"]))


def prepare(files: dict[str, Any]) -> None:
    """Put graph and tokenizer into one folder."""
    given = ModelFiles(**files)
    work = Path(given.work)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(Path(given.checkpoint) / name, work)
    shutil.copy(given.encoders["fp32"], work / _FILE)
