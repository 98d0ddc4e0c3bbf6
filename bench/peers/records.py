"""What the result says of those who took part and of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emberline.bench.load import LoadPoint, point
from emberline.bench.summary import Summary
from emberline.bench.variants import Worker
from emberline.engine.bundle import Bundle

from .closeness import Closeness
from .field import OWN
from .memory import peak_mb
from .notes import Notes
from .rounds import SHARE
from .texts import MIXED


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """Who took part.

    Attributes:
        name: of the variant.
        engine: ``emberline``, or the peer's environment.
        precision: of the encoder; ``own`` where the peer chooses.
        path: ``process`` or ``grpc``.
        threads: that compute.
        packages: that run the model, each with its ``name`` and ``version``; none for Emberline, whose are those of the
            bench.
        encoder_mb: the encoder's weights, in files or in PyTorch's parameters.
        memory_mb: peak resident memory of the processes that hold the model.
        cosine_mean: of its vectors to PyTorch's.
        cosine_minimum: the same.
        agreement_at_10: of items' neighbours with PyTorch's.
        batch: texts a batch that were fastest for it offline; None: its default was, or it has no choice.
    """

    name: str
    engine: str
    precision: str
    path: str
    threads: int
    packages: Sequence[Mapping[str, str]]
    encoder_mb: float
    memory_mb: float
    cosine_mean: float
    cosine_minimum: float
    agreement_at_10: float
    batch: int | None


def record(worker: Worker, bundle: Bundle, close: Mapping[str, Closeness], notes: Notes) -> PeerRecord:
    """Describe a variant whose worker still runs.

    Args:
        worker: the variant's.
        bundle: what Emberline serves.
        close: of every variant that runs.
        notes: what was measured so far.
    """
    variant = worker.variant
    found = close[variant.name]
    packages = [{"name": name, "version": said} for name, said in worker.about.get("packages", {}).items()]
    own = variant.engine == OWN
    manifest = bundle.manifest
    size = manifest.files[manifest.encoders[variant.precision].file].bytes if own else worker.about["encoder_bytes"]
    return PeerRecord(
        name=variant.name,
        engine=variant.engine,
        precision=variant.precision,
        path=variant.path,
        threads=variant.threads,
        packages=packages,
        encoder_mb=round(size / 1e6, 1),
        memory_mb=round(peak_mb(worker.model_pid), 1),
        cosine_mean=found.cosine_mean,
        cosine_minimum=found.cosine_minimum,
        agreement_at_10=found.agreement_at_10,
        batch=notes.batches.get(variant.name),
    )


def loads(notes: Notes) -> list[LoadPoint]:
    """The loads at a share of saturation."""
    return [point(MIXED, name, SHARE, notes.rates[name], found) for name, found in notes.loads.items()]


@dataclass(frozen=True, slots=True)
class PeakRecord:
    """The machine's peak in matrix products.

    Attributes:
        precision: ``fp32`` or ``int8``.
        values: billions of operations a second, over the repetitions.
        library: that made the best of them.
        shape: M, K, N of it.
    """

    precision: str
    values: Summary
    library: str
    shape: Sequence[int]


def peaks(notes: Notes) -> list[PeakRecord]:
    """The peaks by precision."""
    records = []
    for precision, found in notes.peaks.items():
        best = max(found, key=lambda peak: peak.giga_operations)
        values = Summary.of([peak.giga_operations for peak in found])
        records.append(PeakRecord(precision, values, best.library, best.shape))
    return records


@dataclass(frozen=True, slots=True)
class WorkRecord:
    """Offline runs of one size.

    Attributes:
        texts: how many.
        throughput: texts a second, over the repetitions.
        memory_mb: resident memory of the engine's process right after.
    """

    texts: int
    throughput: Summary
    memory_mb: Summary


def work(notes: Notes) -> list[WorkRecord]:
    """The offline runs by size."""
    return [
        WorkRecord(
            count,
            Summary.of([run.throughput for run in runs]),
            Summary.of([run.memory_mb for run in runs]),
        )
        for count, runs in notes.work.items()
    ]
