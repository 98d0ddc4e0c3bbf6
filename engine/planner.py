"""Which texts go through the encoder together, and in which order.

Pure functions: they know lengths and times, not what waits. Padding is the largest waste of an encoder, and on a CPU a
batch gains almost nothing over its texts one at a time. So a batch is cut from the length-sorted line, and a text joins
one only where the padding costs less than a call of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch may be.

    Attributes:
        texts: a batch.
        tokens: a batch, padding included; only a single text may have more.
        padding: tokens that a text may be padded by. About what a call of its own would cost, in tokens.
    """

    texts: int
    tokens: int
    padding: int


def urgency(
    turns: Sequence[float],
    deadlines: Sequence[float | None],
    *,
    aged_before: float = -math.inf,
    endangered_before: float = -math.inf,
) -> list[int]:
    """Order what waits: the aged first, then what would miss its deadline, then all else; each by turn.

    The aged come before the endangered, so that no stream of short deadlines can starve what has none.

    Args:
        turns: when each one's turn is, on the backlog's clock (tokens of work handed out).
        deadlines: of each, in seconds; None: it has none.
        aged_before: whose turn was before this has waited long enough.
        endangered_before: whose deadline is before this will miss it unless it overtakes.

    Returns:
        All indices, the most urgent first.
    """

    def key(index: int) -> tuple[int, float, float]:
        turn, deadline = turns[index], deadlines[index]
        if turn < aged_before:
            return 0, turn, 0.0
        if deadline is not None and deadline < endangered_before:
            return 1, deadline, turn
        return 2, turn, 0.0

    return sorted(range(len(turns)), key=key)


def plan(lengths: Sequence[int], limits: Limits, order: Sequence[int], lanes: int = 1) -> list[tuple[int, ...]]:
    """Cut what waits into batches.

    Args:
        lengths: tokens of each text.
        limits: what a batch may be.
        order: all indices, the most urgent first.
        lanes: how many batches can start at once; the work is cut so that each gets a share.

    Returns:
        Each index in exactly one batch, the batch with the most urgent text first.
    """
    rank = {index: place for place, index in enumerate(order)}
    share = sum(lengths) / lanes
    batches: list[list[int]] = []
    longest = 0
    for index in sorted(order, key=lambda index: (-lengths[index], rank[index])):
        fits = (
            batches
            and longest - lengths[index] <= limits.padding
            and len(batches[-1]) < limits.texts
            and (len(batches[-1]) + 1) * longest <= limits.tokens
            and len(batches[-1]) * longest < share
        )
        if fits:
            batches[-1].append(index)
        else:
            batches.append([index])
            longest = lengths[index]
    batches.sort(key=lambda batch: min(rank[index] for index in batch))
    return [tuple(batch) for batch in batches]
