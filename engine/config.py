"""The engine's settings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal, get_args

from .bundle import BundleLayout
from .catalogue.kinds import VECTOR_KINDS, VectorKind
from .devices import parse_devices
from .errors import ConfigError
from .machine import cores

#: A bundle's precisions, and those that only engines built ahead of time have.
ServedPrecision = Literal["fp32", "fp16", "int8", "int8-trt", "int8-fp16"]
SERVED_PRECISIONS: Final[tuple[ServedPrecision, ...]] = get_args(ServedPrecision)

Mode = Literal["auto", "throughput", "latency"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What the engine runs and how much it takes on. The command line reads its defaults from here.

    Raises:
        ConfigError: a setting is out of its range.
    """

    #: The folder that `emberline export` wrote.
    bundle: Path
    #: fp32 is the reference; int8 is the fastest on a CPU and costs what the bundle's report says. On a GPU fp16 is
    #: both fast and safe; int8 is for TensorRT, which takes the bundle's int8-trt.
    precision: ServedPrecision = "fp32"
    #: What runs the encoder: a device, or several with commas, of which the first that can does; each failure is
    #: logged, and told by Info. ``auto`` finds out by itself. What is not in the list is never taken.
    device: str = "cpu"
    #: Serve a precision that its accuracy gate failed; for measuring, not for users.
    allow_failed_gate: bool = False
    #: The live catalogue's file; None: beside the bundle. It needs a disk that survives the server.
    catalogue: Path | None = None
    #: How the live catalogue keeps vectors, in its file and in memory. fp16 takes half of fp32's room and int8 a
    #: quarter; what each costs in recall is what `emberline bench recall` measures. A catalogue becomes smaller at the
    #: start, but never larger again.
    catalogue_vectors: VectorKind = "fp32"
    #: Where engines are kept that ONNX Runtime's TensorRT provider builds, for minutes; None: the user's cache folder.
    cache: Path | None = None
    #: Memory for vectors of texts that were encoded before, those asked for last; 0: each text is encoded anew. At
    #: H = 384, 64 MiB hold some 30,000.
    max_cache_bytes: int = 64 * 1024 * 1024
    #: Cores that the encoder may keep busy; 0: all that this process may use. Fewer leave cores to others.
    threads: int = 0
    #: How a CPU's cores are used. ``throughput``: a batch each. ``latency``: all for one batch at a time, which is
    #: answered sooner, and fewer of them in all. ``auto``: all for what comes to an idle engine, else a batch each;
    #: costs the memory of the encoder's weights a second time.
    mode: Mode = "auto"
    #: Texts a batch. On a CPU a larger one gains little, and holds up what comes after it.
    max_batch: int = 32
    #: Tokens a batch, padding included; 0: as many as make a call's fixed cost negligible on this machine, some 250
    #: for MiniLM-L6 on one core. Each batch that runs keeps a newcomer waiting.
    max_batch_tokens: int = 0
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
        if self.precision not in SERVED_PRECISIONS:
            raise ConfigError(f"precision is {self.precision!r}; choose one of {', '.join(SERVED_PRECISIONS)}")
        if self.mode not in MODES:
            raise ConfigError(f"mode is {self.mode!r}; choose one of {', '.join(MODES)}")
        if self.catalogue_vectors not in VECTOR_KINDS:
            raise ConfigError(
                f"catalogue_vectors is {self.catalogue_vectors!r}; choose one of {', '.join(VECTOR_KINDS)}"
            )
        parse_devices(self.device)
        if self.threads < 0:
            raise ConfigError(f"threads is {self.threads}; set how many, or 0 for one a core")
        for field in fields(self):
            least = 0 if field.name in ("max_batch_tokens", "max_cache_bytes") else 1
            if field.name.startswith("max_") and getattr(self, field.name) < least:
                raise ConfigError(f"{field.name} is {getattr(self, field.name)}; it must be at least {least}")

    @property
    def live_catalogue(self) -> Path:
        """The live catalogue's file."""
        return self.catalogue or BundleLayout(self.bundle).live_catalogue

    @property
    def cores(self) -> int:
        """How many cores the encoder may keep busy."""
        return self.threads or cores()

    @property
    def workers(self) -> int:
        """How many batches are in the encoder at a time."""
        return 1 if self.mode == "latency" else self.cores
