"""What the comparison has to show, what was measured, and how far that is from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from emberline.bench.harness.lineup import in_process, through_grpc
from emberline.bench.harness.measure import P50, P99, THROUGHPUT
from emberline.bench.harness.summary import Summary, improvement

from .closeness import Closeness
from .measurements import Notes, values, variant_of
from .registry import BARE, STANDARD, TRITON
from .texts import MIXED

#: Agreements nearer than this are the same: a neighbour in two thousand is rounding.
SAME_AGREEMENT: Final = 5e-4
#: Catalogues of at most this size are small ones.
_SMALL: Final = 10_000


@dataclass(frozen=True, slots=True)
class Target:
    """A bound and what was measured.

    Attributes:
        what: is bounded.
        compared: what with what.
        value: over the repetitions; None if it could not be measured.
        bound: that its median must reach.
        at_most: whether it must stay below instead.
        reached: whether it does.
        share: of the bound that is reached; 1 and above is enough; None if it could not be measured.
        reason: why it could not be measured; empty if it was.
        profile: the part of the result that shows what it is made of; empty if it is a figure by itself.
    """

    what: str
    compared: str
    value: Summary | None
    bound: float
    at_most: bool
    reached: bool
    share: float | None
    reason: str
    profile: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the targets are computed from.

    Attributes:
        notes: the measurements.
        closeness: of each variant.
        operations: arithmetic of the mixed texts, all together.
    """

    notes: Notes
    closeness: Mapping[str, Closeness]
    operations: int


def targets(evidence: Evidence) -> list[Target]:
    """All of them: offline, against the machine's peak, served, recommending, and over growing work."""
    notes = evidence.notes
    return [
        *_shown_by("operators", [*_offline(evidence), *_of_peak(evidence)]),
        *_shown_by("spent", _in_crowds(notes)),
        *_shown_by("parts", _alone(notes)),
        *_shown_by("loads", _loaded(notes)),
        *_shown_by("parts", _recommended(notes)),
        *_shown_by("work", _grown(notes)),
    ]


def _shown_by(profile: str, found: Iterable[Target]) -> Iterator[Target]:
    return (replace(one, profile=profile) for one in found)


def _offline(evidence: Evidence) -> Iterator[Target]:
    what = "offline, mixed texts: texts/s"
    ours, exact = in_process("int8"), in_process("fp32")
    speed = _speeds(evidence.notes)
    yield _ratio(what, (ours, speed(ours)), (STANDARD, speed(STANDARD)), 2.0)
    best, rival = best_of_both(evidence)
    yield _ratio(
        f"{what}, the best against the best peer that agrees as well", (best, speed(best)), (rival, speed(rival)), 1.2
    )
    yield _ratio(what, (exact, speed(exact)), (BARE["fp32"], speed(BARE["fp32"])), 2.5)
    alone = evidence.notes.one_thread
    yield _ratio(
        f"{what}, one thread", (ours, values(alone, ours, THROUGHPUT)), (exact, values(alone, exact, THROUGHPUT)), 1.5
    )


def best_of_both(evidence: Evidence) -> tuple[str, str]:
    """Emberline's fastest variant on the mixed texts, and the fastest peer whose agreement@10 is not lower."""
    speed = _speeds(evidence.notes)
    own = [name for name in (in_process("fp32"), in_process("int8")) if speed(name)]
    best = max(own, key=lambda name: median(speed(name)), default=in_process("int8"))
    least = evidence.closeness[best].agreement_at_10 if best in evidence.closeness else 0.0
    rows = evidence.notes.offline[MIXED].values if MIXED in evidence.notes.offline else {}
    rivals = [
        row
        for row in rows
        if row not in own and evidence.closeness[variant_of(row)].agreement_at_10 >= least - SAME_AGREEMENT
    ]
    return best, max(rivals, key=lambda name: median(speed(name)), default="no peer")


def _of_peak(evidence: Evidence) -> Iterator[Target]:
    for precision, bound in (("fp32", 0.85), ("int8", 0.65)):
        name = in_process(precision)
        speed = _speeds(evidence.notes)(name)
        count = evidence.notes.counts.get(MIXED, 0)
        reached = [rate * evidence.operations / count / 1e9 for rate in speed]
        peaks = [peak.giga_operations for peak in evidence.notes.peaks.get(precision, ())]
        yield _ratio(
            "offline, mixed texts: arithmetic", (name, reached), (f"peak of {precision} matrix products", peaks), bound
        )


def _in_crowds(notes: Notes) -> Iterator[Target]:
    most = max(notes.crowds, default=0)
    for precision in ("int8", "fp32"):
        name, inside = through_grpc(precision), in_process(precision)
        yield _ratio(
            f"{most} clients: texts/s, against offline in process",
            (name, values(notes.crowds.get(most), name, THROUGHPUT)),
            (inside, values(notes.beside, inside, THROUGHPUT)),
            0.80,
        )
    for clients, crowd in notes.crowds.items():
        for precision in ("int8", "fp32"):
            name, other = through_grpc(precision), TRITON[precision]
            for what, metric, bound in (
                (f"{clients} clients: texts/s", THROUGHPUT, 1.3),
                (f"{clients} clients: p99", P99, 1.0),
            ):
                ours, theirs = values(crowd, name, metric), values(crowd, other, metric)
                yield _ratio(what, (name, ours), (other, theirs), bound, at_most=metric is P99)


def _alone(notes: Notes) -> Iterator[Target]:
    for precision in ("int8", "fp32"):
        name, bare = through_grpc(precision), BARE[precision]
        ours, theirs = values(notes.lone, name, P50), values(notes.lone, bare, P50)
        yield _ratio(
            "lone request: p50, against tokenising and running alone", (name, ours), (bare, theirs), 1.3, at_most=True
        )


def _loaded(notes: Notes) -> Iterator[Target]:
    for name, loads in notes.loads.items():
        p99 = [load.latencies[2] for load in loads]
        alone = values(notes.lone, name, P50)
        yield _ratio("70 % load: p99", (name, p99), ("p50 of its lone requests", alone), 6.0, at_most=True)


def _recommended(notes: Notes) -> Iterator[Target]:
    for count, samples in notes.recommendations.items():
        bound = 3.0 if count <= _SMALL else 30.0
        for name, metrics in samples.values.items():
            yield _target(
                "Recommend by history ids: p50, ms", f"{name}, {count:,} items", metrics[P50], bound, at_most=True
            )


def _grown(notes: Notes) -> Iterator[Target]:
    if not notes.work:
        return
    repetitions = range(len(next(iter(notes.work.values()))))
    sizes = " and ".join(f"{count:,}" for count in notes.work)
    speeds = [[runs[repetition].throughput for runs in notes.work.values()] for repetition in repetitions]
    evenness = [min(found) / max(found) for found in speeds]
    yield _target("growing work: slowest / fastest", f"{sizes} texts", evenness, 0.9)
    first, last = min(notes.work), max(notes.work)
    grown = [notes.work[last][place].memory_mb / notes.work[first][place].memory_mb for place in repetitions]
    yield _target("growing work: memory", f"after {last:,} / after {first:,} texts", grown, 1.1, at_most=True)


def _speeds(notes: Notes) -> Callable[[str], Sequence[float]]:
    return lambda name: values(notes.offline.get(MIXED), name, THROUGHPUT)


def _ratio(
    what: str,
    ours: tuple[str, Sequence[float]],
    theirs: tuple[str, Sequence[float]],
    bound: float,
    *,
    at_most: bool = False,
) -> Target:
    """A ratio within each repetition: what slowed the machine slowed both."""
    compared = f"{ours[0]} / {theirs[0]}"
    missing = [name for name, measured in (ours, theirs) if not measured]
    if missing:
        reason = f"{' and '.join(missing)} {'was' if len(missing) == 1 else 'were'} not measured"
        return Target(what, compared, None, bound, at_most, False, None, reason, "")
    return _bounded(what, compared, improvement(ours[1], theirs[1], higher_is_better=True), bound, at_most)


def _target(what: str, compared: str, measured: Sequence[float], bound: float, *, at_most: bool = False) -> Target:
    return _bounded(what, compared, Summary.of(measured), bound, at_most)


def _bounded(what: str, compared: str, value: Summary, bound: float, at_most: bool) -> Target:
    share = bound / value.median if at_most else value.median / bound
    return Target(what, compared, value, bound, at_most, share >= 1, share, "", "")
