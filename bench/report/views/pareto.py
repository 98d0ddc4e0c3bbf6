"""What every variant of every run costs and keeps, and which of them no other of its run beats in both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emberline.bench.harness.measurements import Measurements, Summary
from emberline.bench.harness.result import Result
from emberline.bench.harness.texts import MIXED
from emberline.bench.latency.latency import section

from .peers import variant_rows


@dataclass(frozen=True, slots=True)
class Timed:
    """A metric of a variant: over the repetitions, and how many times better than the run's reference."""

    values: Summary
    ratio: Summary | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoRow:
    """A variant in one run."""

    name: str  # the variant's name.
    run: str  # the command of the run that measured it; rows of one run may be compared.
    engine: str  # ``pytorch``, ``emberline`` or a peer's.
    precision: str  # the encoder's precision.
    encoder_mb: float | None = None  # the encoder's weights; None: unknown.
    p50: Timed | None = None  # latency of one request of one text; None: not measured.
    p99: Timed | None = None  # the same at p99.
    throughput: Timed | None = None  # throughput of all texts at once.
    fastest: str = ""  # the variant, with its batch size, whose throughput it is.
    agreement: float | None  # agreement@10 with PyTorch's vectors, by the texts of its run.
    item_cold: float | None  # NDCG@10, by the vectors of its run; None: not measured.
    user_cold: float | None  # the same for new users.

    @property
    def ratio(self) -> float | None:
        """Throughput, as a ratio to PyTorch's in the same run."""
        return self.throughput.ratio.median if self.throughput and self.throughput.ratio else None


def pareto_rows(results: Mapping[str, Result]) -> list[ParetoRow]:
    """All variants: those of `latency`, what `recall` alone measured, and those of `peers`."""
    recall = results.get("recall")
    timed = list(_timed(results["latency"], recall)) if "latency" in results else []
    found = [*timed, *_untimed(recall, {(row.engine, row.precision) for row in timed})]
    if "peers" in results:
        found += _peers(results["peers"])
    return found


def front(rows: Sequence[ParetoRow]) -> list[ParetoRow]:
    """Those that no other of the same run equals or beats in both throughput and agreement; never across runs."""
    placed = [(row, row.ratio, row.agreement) for row in rows]
    known = [(row, speed, agreed) for row, speed, agreed in placed if speed is not None and agreed is not None]
    return [
        row
        for row, speed, agreed in known
        if not any(
            other.run == row.run and (faster, closer) != (speed, agreed) and faster >= speed and closer >= agreed
            for other, faster, closer in known
        )
    ]


def timed_of(result: Result, place: str, variant: str, metric: str) -> Timed | None:
    """A metric of a variant in one section, if it was measured."""
    measured = Measurements.of(result)
    if metric == "p99" and not measured.has_tail(place, variant):
        return None
    values = measured.summary(place, variant, metric)
    return Timed(values, measured.ratio(place, variant, metric, result["reference"])) if values else None


def _quality(recall: Result | None, engine: str, precision: str) -> dict[str, Any]:
    """What `recall` says of a precision: its agreement, and NDCG@10 in the first scenarios of their names."""
    if recall is None:
        return {"agreement": None, "item_cold": None, "user_cold": None}
    vectors = (one["agreement_at_10"] for one in recall["vectors"] if one["precision"] == precision)
    kind = {"pytorch": "reference", "emberline": "precision"}.get(engine)
    ranked = [one for one in recall["rankings"] if (one["kind"], one["precision"]) == (kind, precision)]
    ndcg = {
        key: next((one["ndcg_at_10"] for one in ranked if one["scenario"].startswith(key.replace("_", " "))), None)
        for key in ("item_cold", "user_cold")
    }
    return {"agreement": 1.0 if engine == "pytorch" else next(vectors, None), **ndcg}


def _untimed(recall: Result | None, timed: set[tuple[str, str]]) -> Iterator[ParetoRow]:
    """The variants that `recall` alone measured."""
    if recall is None:
        return
    names = {one["variant"]: ("emberline", one["precision"]) for one in recall["vectors"]}
    for name, (engine, precision) in {recall["reference"]: ("pytorch", "fp32"), **names}.items():
        if (engine, precision) not in timed:
            quality = _quality(recall, engine, precision)
            yield ParetoRow(name=name, run="recall", engine=engine, precision=precision, **quality)


def _timed(latency: Result, recall: Result | None) -> Iterator[ParetoRow]:
    texts = latency["texts"][0]["name"]
    for one in latency["variants"]:
        name = one["name"]
        times = {"throughput": timed_of(latency, section("Offline", texts), name, "throughput"), "fastest": name}
        yield _row(latency, "latency", texts, one, **times, **_quality(recall, one["engine"], one["precision"]))


def _peers(peers: Result) -> Iterator[ParetoRow]:
    """Each in the batch size that is its fastest."""
    for one in peers["variants"]:
        rows = [row for row, record in variant_rows(peers) if record is one]
        speeds = [(row, found) for row in rows if (found := timed_of(peers, f"Offline, {MIXED}", row, "throughput"))]
        row, found = max(speeds, key=lambda speed: speed[1].values.median, default=(one["name"], None))
        quality = {"agreement": one["agreement_at_10"], "item_cold": one["item_cold_ndcg_at_10"]}
        quality["user_cold"] = one["user_cold_ndcg_at_10"]
        yield _row(peers, "peers", MIXED, one, throughput=found, fastest=row, **quality)


def _row(result: Result, run: str, texts: str, record: Mapping[str, Any], **rest: Any) -> ParetoRow:
    rest |= {key: record[key] for key in ("name", "engine", "precision", "encoder_mb")}
    p50, p99 = (timed_of(result, section("SingleStream", texts), record["name"], metric) for metric in ("p50", "p99"))
    return ParetoRow(run=run, p50=p50, p99=p99, **rest)
