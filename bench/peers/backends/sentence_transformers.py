"""sentence-transformers: PyTorch, its ONNX backend, and its own int8 export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

from .base import WEIGHTS, LibraryBackend, ModelFiles, batch_size, packages, weight

#: In the order of preference: what its export offers, and the CPU feature that it is for.
_TARGETS: Final = (("avx512_vnni", "avx512_vnni"), ("avx512", "avx512f"), ("avx2", "avx2"), ("arm64", "asimd"))


class SentenceTransformersBackend(LibraryBackend):
    """A model in any backend. It sorts by length and cuts into batches itself."""

    def __init__(self, model: Any, about: dict[str, str], encoder_bytes: int) -> None:
        super().__init__(about, batches=True, encoder_bytes=encoder_bytes)
        self._model = model

    def run(self, texts: Sequence[str]) -> Any:
        """One request: (B, H)."""
        return self._model.encode(list(texts), show_progress_bar=False)

    def run_all(self, texts: Sequence[str], order: str) -> Any:
        """All texts in batches of 32, its default, or of another size: (N, H)."""
        return self._model.encode(list(texts), batch_size=batch_size(order), show_progress_bar=False)


def open_backend(given: ModelFiles, threads: int, backend: str, precision: str) -> LibraryBackend:
    """Load the model for ``torch`` or ``onnx``, in ``fp32`` or ``int8``."""
    if backend == "torch":
        import torch

        torch.set_num_threads(threads)
        return SentenceTransformersBackend(
            SentenceTransformer(given.checkpoint, device="cpu"),
            packages("sentence-transformers", "torch"),
            weight(Path(given.checkpoint) / WEIGHTS),
        )
    file = "model.onnx" if precision == "fp32" else f"model_qint8_{_target()}.onnx"
    model = SentenceTransformer(given.work, device="cpu", backend="onnx", model_kwargs={"file_name": f"onnx/{file}"})
    size = weight(Path(given.work) / "onnx" / file)
    return SentenceTransformersBackend(model, packages("sentence-transformers", "onnxruntime"), size)


def prepare(given: ModelFiles) -> None:
    """Export to ONNX and to int8 with the library's own functions."""
    options = {"export": True, "provider": "CPUExecutionProvider"}
    model = SentenceTransformer(given.checkpoint, device="cpu", backend="onnx", model_kwargs=options)
    model.save_pretrained(given.work)
    export_dynamic_quantized_onnx_model(model, _target(), given.work)


def _target() -> str:
    """What the library's export should be made for on this CPU."""
    features = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return next((target for target, feature in _TARGETS if feature in features), "avx2")
