"""What the result says of those who took part and of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emberline.bench.harness.load import LoadPoint, point
from emberline.bench.harness.summary import Summary
from emberline.bench.harness.variants import Worker
from emberline.engine.bundle import Bundle

from .closeness import Closeness
from .evaluator import Ranked
from .measurements import Notes
from .operators import OperatorShare
from .pool import OWN
from .processes import peak_mb
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
        item_cold_ndcg_at_10: of items that training has not seen, ranked by its vectors through the bundle's towers;
            None if nothing was held out.
        user_cold_ndcg_at_10: likewise, for users that training has not seen.
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
    item_cold_ndcg_at_10: float | None
    user_cold_ndcg_at_10: float | None
    batch: int | None


def record(worker: Worker, bundle: Bundle, found: Closeness, ranked: Ranked | None, notes: Notes) -> PeerRecord:
    """Describe a variant whose worker still runs.

    Args:
        worker: the variant's.
        bundle: what Emberline serves.
        found: how close its vectors are.
        ranked: how well they rank; None if there was nothing to rank.
        notes: what was measured so far.
    """
    variant = worker.variant
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
        item_cold_ndcg_at_10=ranked.item_cold if ranked else None,
        user_cold_ndcg_at_10=ranked.user_cold if ranked else None,
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


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part of a lone request.

    Attributes:
        variant: whose.
        part: ``tokenise``, ``wait`` (for a batch to begin), ``encode`` (the graph's run), ``score`` (towers, heads and
            search), ``engine`` (all else between a request's arrival and its answer), ``outside`` (the way there and
            back), ``whole``; and ``empty call``, which is no part but a call that asks for no work.
        milliseconds: each repetition's median, over the repetitions.
    """

    variant: str
    part: str
    milliseconds: Summary


def parts(notes: Notes) -> list[PartRecord]:
    """The parts of lone requests."""
    return [
        PartRecord(name, part, Summary.of(found))
        for name, by_part in notes.parts.items()
        for part, found in by_part.items()
    ]


@dataclass(frozen=True, slots=True)
class OperatorsRecord:
    """What an encoder spends its time on.

    Attributes:
        precision: of the encoder.
        operators: the dearest first.
    """

    precision: str
    operators: Sequence[OperatorShare]


def operators(notes: Notes) -> list[OperatorsRecord]:
    """The operators by precision."""
    return [OperatorsRecord(precision, found) for precision, found in notes.operators.items()]


@dataclass(frozen=True, slots=True)
class SpentRecord:
    """What a server's answer takes of the CPU while many callers wait.

    Attributes:
        variant: whose.
        clients: how many callers.
        client_ms: of the process that asks, over the repetitions.
        server_ms: of the processes that answer, likewise.
    """

    variant: str
    clients: int
    client_ms: Summary
    server_ms: Summary


def spent(notes: Notes) -> list[SpentRecord]:
    """The CPU that answers took, by the callers' number."""
    return [
        SpentRecord(
            name,
            clients,
            Summary.of([one.client_ms for one in found]),
            Summary.of([one.server_ms for one in found]),
        )
        for clients, by_name in notes.spent.items()
        for name, found in by_name.items()
    ]
