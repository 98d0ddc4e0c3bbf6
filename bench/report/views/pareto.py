"""What every variant of every run costs and keeps, and which of them no other of its run beats in both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emberline.bench.harness.result import Result

from .latency import find
from .peers_plots import MIXED, variant_rows

Measured = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Row:
    """A variant in one run.

    Attributes:
        name: of the variant.
        run: the command of the run that measured it; rows of one run may be compared.
        engine: ``pytorch``, ``emberline`` or a peer's.
        precision: of the encoder.
        grpc: whether it was asked over a socket.
        encoder_mb: the encoder's weights; None: unknown.
        p50: of one request of one text, as a measurement; None: not measured.
        p99: likewise.
        throughput: of all texts at once, likewise.
        agreement: at 10, with PyTorch's vectors, by the texts of its run.
        item_cold: NDCG@10, by the vectors of its run; None: not measured.
        user_cold: likewise.
    """

    name: str
    run: str
    engine: str
    precision: str
    grpc: bool
    encoder_mb: float | None
    p50: Measured
    p99: Measured
    throughput: Measured
    agreement: float | None
    item_cold: float | None
    user_cold: float | None

    @property
    def ratio(self) -> float | None:
        """Throughput, as a ratio to PyTorch's in the same run."""
        ratio: Measured = self.throughput["ratio"] if self.throughput else None
        return None if ratio is None else ratio["median"]


def pareto_rows(results: Mapping[str, Result]) -> list[Row]:
    """All variants: those of `latency`, what `recall` alone measured, and those of `peers`.

    Args:
        results: by command; those that there are.
    """
    quality = _Quality(results.get("recall"))
    timed = list(_timed(results["latency"], quality)) if "latency" in results else []
    found = [*timed, *quality.rows({(row.engine, row.precision) for row in timed})]
    if "peers" in results:
        found += _peers(results["peers"], quality)
    return found


def front(rows: Sequence[Row]) -> list[Row]:
    """Those that no other of the same run equals or beats in both throughput and agreement; never across runs."""
    placed = [(row, (row.ratio, row.agreement)) for row in rows]
    known = [(row, place[0], place[1]) for row, place in placed if place[0] is not None and place[1] is not None]
    return [
        row
        for row, speed, agreed in known
        if not any(
            other.run == row.run and (faster, closer) != (speed, agreed) and faster >= speed and closer >= agreed
            for other, faster, closer in known
        )
    ]


@dataclass(frozen=True, slots=True)
class _Quality:
    """What `recall` says of a precision; nothing without it."""

    result: Result | None

    def agreement(self, engine: str, precision: str) -> float | None:
        if self.result is None:
            return None
        if engine == "pytorch":
            return 1.0
        found = (one["agreement_at_10"] for one in self.result["vectors"] if one["precision"] == precision)
        return next(found, None)

    def ndcg(self, engine: str, precision: str, scenario: str) -> float | None:
        """NDCG@10 in the first scenario whose name begins so."""
        kinds = {"pytorch": "reference", "emberline": "precision"}
        rankings: Sequence[Mapping[str, Any]] = self.result["rankings"] if self.result else ()
        for one in rankings:
            of_this = one["kind"] == kinds.get(engine) and one["precision"] == precision
            if of_this and one["scenario"].startswith(scenario):
                return float(one["ndcg_at_10"])
        return None

    def rows(self, timed: set[tuple[str, str]]) -> Iterator[Row]:
        """The variants that were not timed."""
        if self.result is None:
            return
        names = {one["variant"]: ("emberline", one["precision"]) for one in self.result["vectors"]}
        for name, (engine, precision) in {self.result["reference"]: ("pytorch", "fp32"), **names}.items():
            if (engine, precision) not in timed:
                yield _row(self, name, "recall", engine, precision)


def _row(
    quality: _Quality,
    name: str,
    run: str,
    engine: str,
    precision: str,
    *,
    grpc: bool = False,
    encoder_mb: float | None = None,
    single: tuple[Measured, Measured] = (None, None),
    throughput: Measured = None,
    agreement: float | None = None,
    ndcg: tuple[float | None, float | None] | None = None,
) -> Row:
    ranked = ndcg or (quality.ndcg(engine, precision, "item cold"), quality.ndcg(engine, precision, "user cold"))
    return Row(
        name=name,
        run=run,
        engine=engine,
        precision=precision,
        grpc=grpc,
        encoder_mb=encoder_mb,
        p50=single[0],
        p99=single[1],
        throughput=throughput,
        agreement=quality.agreement(engine, precision) if agreement is None else agreement,
        item_cold=ranked[0],
        user_cold=ranked[1],
    )


def _timed(latency: Result, quality: _Quality) -> Iterator[Row]:
    texts = latency["texts"][0]["name"]
    for one in latency["variants"]:
        name = one["name"]
        yield _row(
            quality,
            name,
            "latency",
            one["engine"],
            one["precision"],
            grpc=one["path"] == "grpc",
            encoder_mb=one["encoder_mb"],
            single=_single(latency, texts, name),
            throughput=find(latency, texts, "Offline", name, "throughput"),
        )


def _peers(peers: Result, quality: _Quality) -> Iterator[Row]:
    """Each in the batch size that is its fastest."""
    for one in peers["variants"]:
        name = one["name"]
        rows = [row for row, record in variant_rows(peers) if record is one]
        speeds = [found for row in rows if (found := find(peers, MIXED, "Offline", row, "throughput"))]
        yield _row(
            quality,
            name,
            "peers",
            one["engine"],
            one["precision"],
            grpc=one["path"] == "grpc",
            encoder_mb=one["encoder_mb"],
            single=_single(peers, MIXED, name),
            throughput=max(speeds, key=lambda found: found["values"]["median"], default=None),
            agreement=one["agreement_at_10"],
            ndcg=(one["item_cold_ndcg_at_10"], one["user_cold_ndcg_at_10"]),
        )


def _single(result: Result, texts: str, name: str) -> tuple[Measured, Measured]:
    return find(result, texts, "SingleStream", name, "p50"), find(result, texts, "SingleStream", name, "p99")
