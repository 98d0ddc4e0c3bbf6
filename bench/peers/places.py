"""The sections of the measurements of `bench peers`, and their metrics, by name."""

from __future__ import annotations

from typing import Final

from emberline.bench.harness.texts import MIXED

LONE: Final = f"SingleStream, {MIXED}"
ONE_THREAD: Final = "Offline, one thread"
BESIDE: Final = "Offline beside clients"
LOAD: Final = "70 % load"
PARTS: Final = "Parts"
OPERATORS: Final = "Operators"
PEAK: Final = "Peak"

MEMORY: Final = "memory_mb"
GIGA_OPERATIONS: Final = "giga_operations"
EMPTY_CALL: Final = "empty call"

_BATCHES: Final = ", batches of "


def bulk(texts: str) -> str:
    """The section of all texts of a set at once."""
    return f"Offline, {texts}"


def crowd(clients: int) -> str:
    """The section of so many callers."""
    return f"{clients} clients"


def recommending(count: int) -> str:
    """The section of recommendations out of so many items."""
    return f"Recommend of {count:,}"


def growing(count: int) -> str:
    """The section of an offline run of so many texts."""
    return f"Work of {count:,}"


def row_of(variant: str, size: int) -> str:
    """The name of the row for a variant with another batch size than its default."""
    return f"{variant}{_BATCHES}{size}"


def variant_of(row: str) -> str:
    """The variant that a row is of."""
    return row.partition(_BATCHES)[0]
