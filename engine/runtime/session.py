"""What runs the encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from emberline.engine.bundle import GraphSpec
from emberline.engine.devices import Device
from emberline.engine.records import Floats, Integers

from .engine_cache import EngineCache
from .ort import open_session


class Session(Protocol):
    """Runs the encoder on a batch. Called from several threads at a time."""

    @property
    def device(self) -> str:
        """What the batches run on, as the runtime calls it."""
        ...

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch.

        Args:
            ids: (B, L) token ids.
            mask: (B, L) 1 for tokens, 0 for padding.

        Returns:
            (B, H) `sentence_embedding`.
        """
        ...


class OrtSession:
    """The encoder in ONNX Runtime."""

    def __init__(
        self, path: Path, graph: GraphSpec, device: Device, cache: EngineCache | None = None, cores: int = 1
    ) -> None:
        """Load the encoder; see `open_session` for what it takes and raises."""
        self._session = open_session(path, graph, device, cache, cores)

    @property
    def device(self) -> str:
        """The execution provider."""
        provider: str = self._session.get_providers()[0]
        return provider

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch; see `Session.run`."""
        outputs: list[Floats] = self._session.run(["sentence_embedding"], {"input_ids": ids, "attention_mask": mask})
        return outputs[0]  # (B, H)
