"""What is finished of a comparison that is not: it goes on from there, if nothing has changed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import emberline.bench
import emberline.engine
from emberline.bench.harness.lineup import LeftOut

from .closeness import Closeness
from .evaluator import Ranked
from .measurements import Notes
from .records import PeerRecord
from .typed import plain, typed


@dataclass(frozen=True, slots=True)
class SectionRecord:
    """A section of the comparison that is finished.

    Attributes:
        name: of it.
        created: when it began, ISO 8601, UTC.
        seconds: that it took.
        busy_before: share of the CPU that others used just before it began.
        stolen: share of the CPU that the hypervisor gave to other machines meanwhile.
    """

    name: str
    created: str
    seconds: float
    busy_before: float
    stolen: float


@dataclass(slots=True)
class State:
    """How far a comparison is.

    Attributes:
        sections: that are finished.
        notes: what they have measured.
        close: to PyTorch's vectors, of every variant.
        ranked: rankings by the variants' vectors; empty if there is nothing to rank.
        took_part: who was measured to the end of what they take part in.
        left_out: who was not.
    """

    sections: list[SectionRecord] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    close: dict[str, Closeness] = field(default_factory=dict)
    ranked: dict[str, Ranked] = field(default_factory=dict)
    took_part: list[PeerRecord] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def has(self, section: str) -> bool:
        """Whether a section is finished."""
        return any(one.name == section for one in self.sections)

    def leave_out(self, left_out: list[LeftOut]) -> None:
        """Name who was left out, each once."""
        known = {one.variant for one in self.left_out}
        self.left_out += [one for one in left_out if one.variant not in known]


class Ledger:
    """A file with a comparison's state, kept from section to section."""

    def __init__(self, path: Path, conditions: Mapping[str, Any]) -> None:
        """Open it.

        Args:
            path: the file; another one's is written over.
            conditions: as JSON values; a state under other ones is none.
        """
        self._path = path
        self._conditions = json.loads(json.dumps(plain(conditions)))

    def state(self) -> State:
        """What is finished under the same conditions; nothing if the file is missing or is of others."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return State()
        if not isinstance(kept, dict) or kept.get("conditions") != self._conditions:
            return State()
        found: State = typed(State, kept["state"])
        return found

    def keep(self, state: State) -> None:
        """Write the state, whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        half = self._path.with_suffix(".part")
        half.write_text(json.dumps({"conditions": self._conditions, "state": plain(state)}), encoding="utf-8")
        half.replace(self._path)


def code() -> str:
    """A digest of what measures and of what is measured: the files of the bench and the engine."""
    digest = sha256()
    for package in (emberline.bench, emberline.engine):
        root = Path(next(iter(package.__path__)))
        for file in sorted(root.rglob("*")):
            if file.suffix in (".py", ".txt"):
                digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
