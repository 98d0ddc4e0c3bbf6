"""Sessions: the interface that runs the encoder, and its implementation in ONNX Runtime."""

from __future__ import annotations

from typing import Protocol

from emberline.engine.bundle import BundleFile, GraphSpec
from emberline.engine.devices import Device
from emberline.engine.records import Floats, Integers

from .engine_cache import EngineCache
from .ort import open_session


class Session(Protocol):
    """Runs the encoder on batches. May be called from several threads at a time."""

    @property
    def device(self) -> str:
        """The runtime's name of the device that runs the batches."""
        ...

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch.

        Args:
            ids: (B, L) token ids.
            mask: (B, L) attention mask: 1 for tokens, 0 for padding.

        Returns:
            `sentence_embedding`, (B, H).
        """
        ...


class OrtSession:
    """The encoder in ONNX Runtime."""

    def __init__(
        self, file: BundleFile, graph: GraphSpec, device: Device, cache: EngineCache | None = None, cores: int = 1
    ) -> None:
        """Load the encoder; see `open_session` for the arguments and the errors."""
        self._session = open_session(file, graph, device, cache, cores)

    @property
    def device(self) -> str:
        """The execution provider."""
        provider: str = self._session.get_providers()[0]
        return provider

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch; see `Session.run`."""
        outputs: list[Floats] = self._session.run(["sentence_embedding"], {"input_ids": ids, "attention_mask": mask})
        return outputs[0]  # (B, H)
