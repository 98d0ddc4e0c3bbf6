"""What the comparison has to show, what was measured, and how far that is from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from emberline.bench.harness.measurements import P50, P99, THROUGHPUT, Bound, Measurements, improvement
from emberline.bench.harness.texts import MIXED
from emberline.bench.harness.variants import in_process, through_grpc

from . import places
from .evaluator import Closeness
from .registry import BARE, STANDARD, TRITON
from .settings import PeersSettings

#: Agreements nearer than this are the same: a neighbour in two thousand is rounding.
SAME_AGREEMENT: Final = 5e-4
#: Catalogues of at most this size are small ones.
_SMALL: Final = 10_000
_OFFLINE: Final = "offline, mixed texts: texts/s"

Named = tuple[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the bounds are computed from."""

    measured: Measurements  # the measurements.
    closeness: Mapping[str, Closeness]  # by variant.
    settings: PeersSettings  # how much was measured.
    operations: int  # arithmetic of all mixed texts together.
    count: int  # number of the mixed texts.

    def offline(self, name: str) -> Named:
        """A variant, and its texts a second on the mixed texts."""
        return self.of(places.bulk(MIXED), name, THROUGHPUT)

    def of(self, section: str, name: str, metric: str) -> Named:
        """A variant, and one of its metrics, a value a repetition."""
        return name, self.measured.values(section, name, metric)


def bounds(evidence: Evidence) -> list[Bound]:
    """All of them: offline, against the machine's peak, served, recommending, and over growing work."""
    found = (_offline, _of_peak, _in_crowds, _alone, _loaded, _recommended, _grown)
    return [bound for some in found for bound in some(evidence)]


def _offline(evidence: Evidence) -> Iterator[Bound]:
    ours, exact, profile = in_process("int8"), in_process("fp32"), "operators"
    yield _ratio(_OFFLINE, evidence.offline(ours), evidence.offline(STANDARD), 2.0, profile)
    best, rival = best_of_both(evidence)
    what = f"{_OFFLINE}, the best against the best peer that agrees as well"
    yield _ratio(what, evidence.offline(best), evidence.offline(rival), 1.2, profile)
    yield _ratio(_OFFLINE, evidence.offline(exact), evidence.offline(BARE["fp32"]), 2.5, profile)
    alone = [evidence.of(places.ONE_THREAD, name, THROUGHPUT) for name in (ours, exact)]
    yield _ratio(f"{_OFFLINE}, one thread", alone[0], alone[1], 1.5, profile)


def best_of_both(evidence: Evidence) -> tuple[str, str]:
    """Emberline's fastest variant on the mixed texts, and the fastest peer whose agreement@10 is not lower."""

    def speed(name: str) -> float:
        return median(evidence.offline(name)[1])

    rows = evidence.measured.variants(places.bulk(MIXED))
    own = [name for name in (in_process("fp32"), in_process("int8")) if name in rows]
    best = max(own, key=speed, default=in_process("int8"))
    least = evidence.closeness[best].agreement_at_10 if best in evidence.closeness else 0.0
    rivals = [
        row
        for row in rows
        if row not in own and evidence.closeness[places.variant_of(row)].agreement_at_10 >= least - SAME_AGREEMENT
    ]
    return best, max(rivals, key=speed, default="no peer")


def _of_peak(evidence: Evidence) -> Iterator[Bound]:
    for precision, bound in (("fp32", 0.85), ("int8", 0.65)):
        name, speed = evidence.offline(in_process(precision))
        reached = [rate * evidence.operations / evidence.count / 1e9 for rate in speed]
        peak = (
            f"peak of {precision} matrix products",
            evidence.measured.values(places.PEAK, precision, places.GIGA_OPERATIONS),
        )
        yield _ratio("offline, mixed texts: arithmetic", (name, reached), peak, bound, "operators")


def _in_crowds(evidence: Evidence) -> Iterator[Bound]:
    most = max(evidence.settings.clients)
    for precision in ("int8", "fp32"):
        ours = evidence.of(places.crowd(most), through_grpc(precision), THROUGHPUT)
        inside = evidence.of(places.BESIDE, in_process(precision), THROUGHPUT)
        yield _ratio(f"{most} clients: texts/s, against offline in process", ours, inside, 0.80, "spent")
    for clients in evidence.settings.clients:
        for precision in ("int8", "fp32"):
            for what, metric, bound in (("texts/s", THROUGHPUT, 1.3), ("p99", P99, 1.0)):
                names = through_grpc(precision), TRITON[precision]
                ours, theirs = (evidence.of(places.crowd(clients), name, metric) for name in names)
                yield _ratio(f"{clients} clients: {what}", ours, theirs, bound, "spent", at_most=metric == P99)


def _alone(evidence: Evidence) -> Iterator[Bound]:
    what = "lone request: p50, against tokenizing and running alone"
    for precision in ("int8", "fp32"):
        ours, theirs = (evidence.of(places.LONE, name, P50) for name in (through_grpc(precision), BARE[precision]))
        yield _ratio(what, ours, theirs, 1.3, "parts", at_most=True)


def _loaded(evidence: Evidence) -> Iterator[Bound]:
    for name in evidence.measured.variants(places.LOAD):
        alone = "p50 of its lone requests", evidence.of(places.LONE, name, P50)[1]
        yield _ratio("70 % load: p99", evidence.of(places.LOAD, name, P99), alone, 6.0, "loads", at_most=True)


def _recommended(evidence: Evidence) -> Iterator[Bound]:
    for count in evidence.settings.catalogues:
        for name in evidence.measured.variants(places.recommending(count)):
            found, most = evidence.of(places.recommending(count), name, P50)[1], 3.0 if count <= _SMALL else 30.0
            what, compared = "Recommend by history ids: p50, ms", f"{name}, {count:,} items"
            yield Bound.of(what, compared, found, most, at_most=True, profile="parts")


def _grown(evidence: Evidence) -> Iterator[Bound]:
    sizes, measured = evidence.settings.work, evidence.measured
    names = measured.variants(places.growing(sizes[0]))
    if not names:
        return
    speeds, memory = (
        list(zip(*(measured.values(places.growing(count), names[0], metric) for count in sizes), strict=True))
        for metric in (THROUGHPUT, places.MEMORY)
    )
    evenness = [min(found) / max(found) for found in speeds]
    compared = f"{' and '.join(f'{count:,}' for count in sizes)} texts"
    yield Bound.of("growing work: slowest / fastest", compared, evenness, 0.9, profile="work")
    first, last = min(sizes), max(sizes)
    grown = [found[sizes.index(last)] / found[sizes.index(first)] for found in memory]
    compared = f"after {last:,} / after {first:,} texts"
    yield Bound.of("growing work: memory", compared, grown, 1.1, at_most=True, profile="work")


def _ratio(what: str, ours: Named, theirs: Named, bound: float, profile: str, *, at_most: bool = False) -> Bound:
    """A ratio within each repetition: what slowed the machine slowed both."""
    missing = [name for name, measured in (ours, theirs) if not measured]
    reason = f"{' and '.join(missing)} {'was' if len(missing) == 1 else 'were'} not measured" if missing else ""
    found = () if missing else improvement(ours[1], theirs[1], higher_is_better=True).repetitions
    compared = f"{ours[0]} / {theirs[0]}"
    return Bound.of(what, compared, found, bound, at_most=at_most, reason=reason, profile=profile)
