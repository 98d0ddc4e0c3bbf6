"""What is finished of a comparison that is not: it goes on from there, if nothing has changed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

import emberline.bench
import emberline.engine
from emberline.bench.harness.driver import Worker
from emberline.bench.harness.measurements import Measurements, Row
from emberline.bench.harness.records import VariantRecord
from emberline.bench.harness.result import encode
from emberline.bench.harness.variants import LeftOut
from emberline.engine.bundle import Bundle

from .evaluator import Closeness, RankingQuality
from .peak import Peak


@dataclass(frozen=True, slots=True)
class SectionRecord:
    """A section of the comparison that is finished."""

    name: str  # the section's name.
    created: str  # when it began, ISO 8601, UTC.
    seconds: float  # time that it took.
    busy_before: float  # share of the CPU that others used just before it began.
    stolen: float  # share of the CPU that the hypervisor gave to other machines meanwhile.


@dataclass(slots=True)
class ResumeState:
    """How far a comparison is."""

    sections: list[SectionRecord] = field(default_factory=list)  # sections that are finished.
    measured: Measurements = field(default_factory=Measurements)  # what they measured.
    #: the best batch size, by the name of a variant whose default is another one.
    batches: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, Peak] = field(default_factory=dict)  # the fastest matrix product of each precision.
    close: dict[str, Closeness] = field(default_factory=dict)  # how close each variant's vectors are to PyTorch's.
    #: rankings by the variants' vectors; empty if there is nothing to rank.
    ranked: dict[str, RankingQuality] = field(default_factory=dict)
    #: who was measured to the end of what they take part in.
    took_part: list[VariantRecord] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)  # who was not.

    def has(self, section: str) -> bool:
        """Whether a section is finished."""
        return any(one.name == section for one in self.sections)

    def leave_out(self, left_out: list[LeftOut]) -> None:
        """Name who was left out, each once."""
        known = {one.variant for one in self.left_out}
        self.left_out += [one for one in left_out if one.variant not in known]


def record(worker: Worker, bundle: Bundle, state: ResumeState) -> VariantRecord:
    """Describe a variant whose worker still runs, by what is known of it so far."""
    name = worker.variant.name
    found, ranked = state.close[name], state.ranked.get(name)
    return VariantRecord.of(
        worker,
        bundle,
        worker.peak_mb(),
        cosine_mean=found.cosine_mean,
        cosine_minimum=found.cosine_minimum,
        agreement_at_10=found.agreement_at_10,
        item_cold_ndcg_at_10=ranked.item_cold if ranked else None,
        user_cold_ndcg_at_10=ranked.user_cold if ranked else None,
        batch=state.batches.get(name),
    )


class ResumeFile:
    """A file with a comparison's state, kept from section to section."""

    def __init__(self, path: Path, conditions: Mapping[str, Any]) -> None:
        """Open it.

        Args:
            path: the file; another one's is written over.
            conditions: under which the comparison is made; a state under other ones is none.
        """
        self._path = path
        self._conditions = sha256(encode(conditions)).hexdigest()

    def state(self) -> ResumeState:
        """What is finished under the same conditions; nothing if the file is missing or is of others."""
        try:
            conditions, state = msgspec.msgpack.decode(
                self._path.read_bytes(), type=tuple[str, ResumeState], dec_hook=_measurements
            )
        except (OSError, msgspec.MsgspecError):
            return ResumeState()
        return state if conditions == self._conditions else ResumeState()

    def keep(self, state: ResumeState) -> None:
        """Write the state, whole or not at all; as MessagePack, which holds infinite latencies, too."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        half = self._path.with_suffix(".part")
        half.write_bytes(msgspec.msgpack.encode((self._conditions, state), enc_hook=lambda table: table.rows))
        half.replace(self._path)


def _measurements(_: type, rows: Any) -> Measurements:
    return Measurements(msgspec.convert(rows, list[Row]))


def code() -> str:
    """A digest of what measures and of what is measured: the files of the bench and the engine."""
    digest = sha256()
    for package in (emberline.bench, emberline.engine):
        root = Path(next(iter(package.__path__)))
        for file in sorted(root.rglob("*")):
            if file.suffix in (".py", ".txt"):
                digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
