"""The description of a catalogue's vectors."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import VectorKind


@dataclass(frozen=True, slots=True)
class Meta:
    """The description of a catalogue's vectors.

    Attributes:
        fingerprint: fingerprint of the encoder and tower that made them.
        hidden: H, the width of an embedding.
        dimensions: D, the width of a vector.
        kind: number format of both.
    """

    fingerprint: str
    hidden: int
    dimensions: int
    kind: VectorKind
