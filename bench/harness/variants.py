"""Variants: what is compared. Each names a backend that a worker process of its own opens."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from emberline.engine.bundle import Bundle

#: The reference's name: PyTorch eager, fp32.
PYTORCH: Final = "PyTorch fp32"
#: The engine of Emberline's own variants.
OWN: Final = "emberline"
#: Below this mean cosine to PyTorch's vectors the fp32 graph cannot have come from that run.
SAME_MODEL: Final = 0.999
#: The contracts of a server beside our own over gRPC, as a variant's name has them.
CONTRACTS: Final[Mapping[str, str]] = {
    "emberline-http": "JSON",
    "openai-http": "OpenAI",
    "tei-http": "TEI HTTP",
    "tei-grpc": "TEI gRPC",
    "kserve-http": "KServe HTTP",
    "kserve-grpc": "KServe gRPC",
}
_BACKENDS: Final = "emberline.bench.harness.backends"


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing to be compared with others."""

    name: str  # unique within a comparison, e.g. ``int8, gRPC``.
    backend: str  # what the worker opens, as ``module:function``.
    options: Mapping[str, Any]  # the function's arguments.
    engine: str  # ``pytorch``, ``emberline`` or a peer's name.
    precision: str  # the encoder's precision.
    path: str  # ``process`` if the caller shares the model's process; ``grpc``, ``http``: what goes through the socket.
    threads: int  # number of threads that compute.
    python: str = sys.executable  # the interpreter; another one for a peer with an environment of its own.
    environment: Mapping[str, str] = field(default_factory=dict)  # variables for the process, beside the bench's own.


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A variant that is not measured, and why."""

    variant: str
    reason: str


def in_process(precision: str) -> str:
    """The name of the variant whose caller shares the engine's process."""
    return f"Emberline {precision}"


def through_grpc(precision: str) -> str:
    """The name of the variant that is asked over a socket."""
    return f"Emberline {precision}, gRPC"


def through_contract(precision: str, contract: str) -> str:
    """The name of the variant that is asked by another contract."""
    return f"Emberline {precision}, {CONTRACTS[contract]}"


def pytorch(run: Path, threads: int, device: str = "cpu") -> Variant:
    """The reference: a run's model in PyTorch."""
    options = {"run": str(run.absolute()), "threads": threads, "device": device}
    return Variant(PYTORCH, f"{_BACKENDS}.pytorch:open_backend", options, "pytorch", "fp32", "process", threads)


def own(bundle: Bundle, precision: str, path: str, threads: int, **options: str) -> Variant:
    """Emberline's engine or server on a bundle.

    Args:
        bundle: what it serves.
        precision: of the encoder.
        path: ``process``, ``grpc``, or ``recommend`` for a server that is asked for recommendations.
        threads: that compute.
        options: of the backend, beside those.
    """
    opens = {
        "process": "inprocess:open_backend",
        "grpc": "remote:open_backend",
        "recommend": "remote:open_recommending",
    }
    backend = f"{_BACKENDS}.{opens[path]}"
    given = {"bundle": str(bundle.layout.root.absolute()), "precision": precision, "threads": threads, **options}
    name, path = (in_process(precision), path) if path == "process" else (through_grpc(precision), "grpc")
    return Variant(name, backend, given, OWN, precision, path, threads)


def thread_variables(threads: int) -> dict[str, str]:
    """The environment under which every variant runs: as many threads as said, none of which waits busily.

    A waiting thread that spins takes a core from the process that is being measured.
    """
    return {
        "OMP_WAIT_POLICY": "passive",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",  # NumPy's; none of the work is its, and its threads spin
        "RAYON_NUM_THREADS": str(threads),  # of the tokenizers
        "TOKENIZERS_PARALLELISM": "true",
    }


def adapted(bundle: Bundle, precision: str, contract: str, threads: int, device: str = "cpu") -> Variant:
    """Emberline's server on a bundle, asked by another contract; one of `CONTRACTS`."""
    given = {"bundle": str(bundle.layout.root.absolute()), "precision": precision, "threads": threads}
    options = {**given, "contract": contract, "device": device}
    name, path = through_contract(precision, contract), contract.rpartition("-")[2]
    return Variant(name, f"{_BACKENDS}.adapted:open_backend", options, OWN, precision, path, threads)
