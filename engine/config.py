"""The engine's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, get_args

from .bundle import Arithmetic, BundleLayout
from .catalogue.kinds import VectorKind
from .devices import AUTO, DEVICES, parse_devices
from .errors import ConfigError
from .machine import CpuBudget, cpu_budget
from .settings import Setting, SettingRefused, check, explained

if TYPE_CHECKING:
    from .catalogue.opening import CatalogueLocation

#: A bundle's precisions, and those that only engines built ahead of time have.
ServedPrecision = Literal[Arithmetic, "int8-fp16"]
SERVED_PRECISIONS: Final[tuple[ServedPrecision, ...]] = get_args(ServedPrecision)

Mode = Literal["auto", "throughput", "latency"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)


@explained
@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What the engine runs, and how much work it accepts.

    Raises:
        ConfigError: a setting is out of its range.
    """

    bundle: Annotated[
        Path, Setting("The folder that `emberline export` wrote.", metavar="BUNDLE", shown_default="none", option=False)
    ]
    require_signature: Annotated[
        Path | None,
        Setting(
            "Public key (Ed25519, PEM) whose owner must have signed the bundle with `emberline sign`.",
            metavar="KEY",
            shown_default="no signature is required",
        ),
    ] = None
    precision: Annotated[
        ServedPrecision | None,
        Setting(
            "Precision of the encoder. fp32 is the reference. int8 is the fastest on a CPU; the bundle's report says "
            "what it costs. On a GPU fp16 is fast and safe; int8 needs TensorRT, which takes the bundle's int8-trt. "
            "bf16 needs device openvino and a CPU that multiplies bfloat16.",
            shown_default="fp32, or the bundle's only precision",
        ),
    ] = None
    device: Annotated[
        str,
        Setting(
            f"Device that runs the encoder: {', '.join(DEVICES)}. Several, separated by commas, are tried in their "
            f"order; each failure is logged and shown by Info. `{AUTO}` looks for a GPU. A device that is not named is "
            "never used.",
            metavar=f"DEVICE[,DEVICE…]|{AUTO}",
        ),
    ] = "cpu"
    allow_failed_gate: Annotated[
        bool, Setting("Serve a precision that failed its accuracy gate. For measuring, not for users.")
    ] = False
    catalogue: Annotated[
        str | Path | None,
        Setting(
            "The live catalogue: a file for this server alone, on a disk that outlives it, or a PostgreSQL database "
            "with pgvector that any number of servers share, as postgresql://USER@HOST/DATABASE (give the password by "
            "PGPASSWORD or a passfile). It starts with the bundle's items if it does not exist.",
            metavar="PATH|URL",
            shown_default="BUNDLE.catalogue.sqlite, beside the bundle",
        ),
    ] = None
    catalogue_name: Annotated[
        str, Setting("Name of the catalogue in a database, which may have several.", metavar="NAME")
    ] = "default"
    catalogue_vectors: Annotated[
        VectorKind,
        Setting(
            "Number format of the live catalogue's vectors, in its file and in memory. fp16 takes half of fp32's room "
            "and int8 a quarter; `emberline bench recall` measures what each costs. A catalogue is made smaller at "
            "start-up, and never larger."
        ),
    ] = "fp32"
    approximate_from: Annotated[
        int,
        Setting(
            "Number of items from which Recommend searches an index instead of comparing all items; 0: it compares "
            "all. An index finds nearly all of the best items in a fraction of the time, and takes 0.5 KB an item and "
            "minutes of a core for a million. Needs the extra `ann`.",
            at_least=0,
        ),
    ] = 0
    reencode: Annotated[
        bool,
        Setting(
            "Encode the live catalogue's items again if another encoder made its vectors, which is refused otherwise. "
            "The start then takes as long as that."
        ),
    ] = False
    cache: Annotated[
        Path | None,
        Setting(
            "Folder for the engines that device `tensorrt` builds, which takes minutes.",
            metavar="DIR",
            shown_default="emberline, in the user's cache folder",
        ),
    ] = None
    max_cache_bytes: Annotated[
        int,
        Setting(
            "Memory for vectors of recently encoded texts, in bytes; 0 switches the cache off. At 384 dimensions, "
            "64 MiB hold some 30,000 texts.",
            at_least=0,
        ),
    ] = 64 * 1024 * 1024
    threads: Annotated[
        int,
        Setting(
            "Number of cores that the encoder may use; 0 means all that this process may use. Fewer leave cores to "
            "other programs.",
            at_least=0,
        ),
    ] = 0
    mode: Annotated[
        Mode,
        Setting(
            "How batches share a CPU's cores. `throughput` gives each batch one core. `latency` gives all cores to one "
            "batch at a time: answers come sooner, but fewer in all. `auto` gives all cores to a request that finds "
            "the engine idle, and one core to each batch otherwise; it holds the encoder's weights twice."
        ),
    ] = "auto"
    max_batch: Annotated[
        int,
        Setting(
            "Maximum number of texts in a batch. On a CPU a larger batch gains little, and delays what comes after it.",
            at_least=1,
        ),
    ] = 32
    max_batch_tokens: Annotated[
        int,
        Setting(
            "Maximum number of tokens in a batch, padding included; 0 means as many as make a call's fixed cost "
            "negligible on this machine. Each running batch makes new requests wait.",
            at_least=0,
        ),
    ] = 0
    max_waiting_tokens: Annotated[
        int,
        Setting(
            "Maximum number of tokens in the queue. Beyond it, requests are rejected as overloaded. A longer queue "
            "rides out longer peaks, but each request waits longer. An empty queue accepts a request of any size.",
            at_least=1,
        ),
    ] = 32_768
    client_share: Annotated[
        float,
        Setting(
            "Share of the queue and of the calls in flight that one client of a server may hold: a token by its name, "
            "or an address. A client that holds nothing may send a request of any size.",
            above=0,
            at_most=1,
        ),
    ] = 1.0
    max_inputs: Annotated[
        int, Setting("Maximum number of inputs, candidates or items in a request, and of a user's likes.", at_least=1)
    ] = 1024
    max_filters: Annotated[int, Setting("Maximum number of filters in a request.", at_least=1)] = 64
    max_excluded: Annotated[int, Setting("Maximum number of ids that a recommendation leaves out.", at_least=1)] = (
        10_000
    )
    max_attributes: Annotated[int, Setting("Maximum number of attributes of an item or a user.", at_least=1)] = 256
    max_item_bytes: Annotated[
        int,
        Setting(
            "Maximum size of an item's attributes, in bytes of JSON. They are stored, and sent with recommendations.",
            at_least=1,
        ),
    ] = 65_536
    max_text_bytes: Annotated[
        int,
        Setting(
            "Maximum size of a text, in UTF-8 bytes. The encoder reads only the first `max_length` tokens.", at_least=1
        ),
    ] = 65_536
    max_k: Annotated[int, Setting("Maximum number of recommended items.", at_least=1)] = 1000

    def __post_init__(self) -> None:
        check(self)
        try:
            parse_devices(self.device)
        except ConfigError as error:
            raise SettingRefused("EngineConfig", "device", str(error).removeprefix("device ")) from None

    @property
    def served_precision(self) -> ServedPrecision:
        """The precision that was asked for, or the default."""
        return self.precision or "fp32"

    @property
    def live_catalogue(self) -> Path:
        """The live catalogue's file, if it is not in a database."""
        return Path(self.catalogue or BundleLayout(self.bundle).live_catalogue)

    @property
    def catalogue_location(self) -> CatalogueLocation:
        """Where the live catalogue is."""
        from .catalogue.opening import (  # what opens it loads NumPy, which --help need not
            CatalogueLocation,
            is_database,
        )

        shared = self.catalogue is not None and is_database(self.catalogue)
        return CatalogueLocation(str(self.catalogue) if shared else self.live_catalogue, self.catalogue_name)

    @property
    def scratch(self) -> Path | None:
        """A folder with room for a copy of the catalogue; None: that of temporary files."""
        place = self.catalogue_location.place
        return None if isinstance(place, str) else place.parent

    @property
    def cpu_budget(self) -> CpuBudget:
        """The cores that the encoder may use, and what sets their number."""
        return CpuBudget(self.threads, "threads") if self.threads else cpu_budget()

    @property
    def cores(self) -> int:
        """Number of cores that the encoder may use."""
        return self.cpu_budget.cores

    @property
    def workers(self) -> int:
        """Number of batches that the encoder runs at a time."""
        return 1 if self.mode == "latency" else self.cores
