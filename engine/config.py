"""The engine's settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal, get_args

from .bundle import PRECISIONS, Layout, Precision
from .errors import ConfigError

Device = Literal["cpu", "cuda", "tensorrt"]
DEVICES: Final[tuple[Device, ...]] = get_args(Device)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What the engine runs and how much it takes on. The command line reads its defaults from here.

    Raises:
        ConfigError: a setting is out of its range.
    """

    #: The folder that `emberline export` wrote.
    bundle: Path
    #: fp32 is the reference; int8 is the fastest on a CPU and costs what the bundle's report says.
    precision: Precision = "fp32"
    #: What runs the encoder. The device that is asked for runs, or the start fails.
    device: Device = "cpu"
    #: Serve a precision that its accuracy gate failed; for measuring, not for users.
    allow_failed_gate: bool = False
    #: The live catalogue's file; None: beside the bundle. It needs a disk that survives the server.
    catalogue: Path | None = None
    #: Batches in the encoder at a time, each on a core of its own; 0: one a core. On a CPU this beats one batch on all
    #: cores in throughput; fewer leave cores to others.
    threads: int = 0
    #: Texts a batch. On a CPU a larger one gains little, and holds up what comes after it.
    max_batch: int = 32
    #: Tokens a batch, padding included. MiniLM-L6 on one core gains a third a token up to about 128 of them, nothing
    #: beyond 256, and each batch that runs keeps a newcomer waiting.
    max_batch_tokens: int = 256
    #: Tokens in line, beyond which the server answers "overloaded". More of them ride out longer peaks; but each waits.
    #: An empty line takes any request.
    max_waiting_tokens: int = 32_768
    #: Inputs, candidates or items a request, and liked items a user.
    max_inputs: int = 1024
    #: UTF-8 bytes a text. The encoder reads only the first `max_length` tokens, but the tokenizer reads all.
    max_text_bytes: int = 65_536
    #: Items a recommendation.
    max_k: int = 1000

    def __post_init__(self) -> None:
        for name, known in (("precision", PRECISIONS), ("device", DEVICES)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}")
        if self.threads < 0:
            raise ConfigError(f"threads is {self.threads}; set how many, or 0 for one a core")
        for field in fields(self):
            if field.name.startswith("max_") and getattr(self, field.name) < 1:
                raise ConfigError(f"{field.name} is {getattr(self, field.name)}; it must be at least 1")

    @property
    def live_catalogue(self) -> Path:
        """The live catalogue's file."""
        return self.catalogue or Layout(self.bundle).live_catalogue

    @property
    def workers(self) -> int:
        """How many batches are in the encoder at a time."""
        return self.threads or len(os.sched_getaffinity(0))
