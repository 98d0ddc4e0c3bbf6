"""What every peer is given, and the ways of cutting texts into batches that some of them leave to their caller.

A peer's module has `open_backend`, which takes `ModelFiles`, the number of threads that compute and the options of the
registry, and, if it needs the model in a form of its own, `prepare`, which makes that. Both run in the peer's Python.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from inspect import isawaitable
from pathlib import Path
from typing import Any, Final

import numpy as np

#: Texts a batch, where a library leaves it to its caller: what sentence-transformers and infinity take by default.
BATCH: Final = 32
#: The checkpoint's file.
WEIGHTS: Final = "model.safetensors"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The one model in the forms that peers read."""

    checkpoint: str  # a folder in the format of transformers and sentence-transformers: weights, tokenizer, pooling.
    #: Emberline's ONNX files, by precision; input ids and mask in, pooled vectors of unit length out.
    encoders: dict[str, str]
    tokenizer: str  # a file in the format of `tokenizers`, which cuts and does not pad.
    hidden: int  # H, the vectors' width.
    max_length: int  # tokens a text.
    calibration: str  # a JSON file with a list of texts, for whoever quantises with activations.
    work: str  # a folder of the peer's own, for what it makes of these.


def prepare(module: str, files: dict[str, Any]) -> None:
    """Let a peer's module make its own form of the model, if it needs one."""
    own = getattr(import_module(f"{__package__}.{module}"), "prepare", None)
    if own is not None:
        own(ModelFiles(**files))


async def open_backend(module: str, files: dict[str, Any], threads: int, restrict: bool, **options: str) -> Any:
    """Open a peer's backend; one that is to be restricted on as many cores as it may compute with.

    Most libraries can be told a number of threads; all of them keep to the cores that they see.
    """
    make = import_module(f"{__package__}.{module}").open_backend
    if restrict and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    opened = make(ModelFiles(**files), threads, **options)
    return await opened if isawaitable(opened) else opened


def packages(*names: str) -> dict[str, str]:
    """The versions of installed packages, by name."""
    return {name: version(name) for name in names}


def batch_size(order: str, default: int = BATCH) -> int:
    """How many texts a batch holds: what stands behind the slash of ``sorted/8``, else the default."""
    _, _, size = order.partition("/")
    return int(size) if size else default


def by_length(texts: Sequence[str], size: int) -> Iterator[list[int]]:
    """The places of texts in batches of `size`, longest first by characters, as sentence-transformers sorts them."""
    places = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
    yield from (places[start : start + size] for start in range(0, len(places), size))


def load_tokenizer(path: str, max_length: int) -> Callable[[Sequence[str]], dict[str, Any]]:
    """Makes of B texts ``input_ids`` and ``attention_mask``, both (B, L), padded to the longest."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)

    def encode(texts: Sequence[str]) -> dict[str, Any]:
        encodings = tokenizer.encode_batch_fast(list(texts))
        shape = len(encodings), max(len(encoding.ids) for encoding in encodings)
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    return encode


def weight(*paths: Path | str) -> int:
    """Bytes of the files that hold an encoder's weights, all together."""
    return sum(Path(path).stat().st_size for path in paths)


class PeerBackend(ABC):
    """A peer's backend.

    Attributes:
        model_pid: the process in which the model lies: this one, unless a server is set in its place.
        about: the packages that run it, with their versions; whether its batch size is the caller's choice; the bytes
            of the encoder's weights.
    """

    def __init__(self, about: dict[str, str], *, batches: bool, encoder_bytes: int) -> None:
        self.model_pid = os.getpid()
        self.about: dict[str, Any] = {"packages": about, "batches": batches, "encoder_bytes": encoder_bytes}

    @abstractmethod
    async def encode(self, texts: Sequence[str]) -> Any:
        """One request: (B, H)."""

    @abstractmethod
    async def bulk(self, texts: Sequence[str], order: str) -> Any:
        """All texts as fast as it can: (N, H)."""

    async def serve(self, text: str) -> Any:
        """One request among others: (1, H)."""
        return await self.encode([text])

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything."""


class LibraryBackend(PeerBackend):
    """A backend whose library is called in this process, and answers before it returns."""

    @abstractmethod
    def run(self, texts: Sequence[str]) -> Any:
        """Encode one request: (B, H)."""

    @abstractmethod
    def run_all(self, texts: Sequence[str], order: str) -> Any:
        """Encode all texts as fast as it can: (N, H)."""

    async def encode(self, texts: Sequence[str]) -> Any:
        """One request: (B, H)."""
        return self.run(texts)

    async def bulk(self, texts: Sequence[str], order: str) -> Any:
        """All texts: (N, H)."""
        return self.run_all(texts, order)

    async def close(self) -> None:
        """Nothing is left open."""
