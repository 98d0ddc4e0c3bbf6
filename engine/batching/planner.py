"""Which texts go through the encoder together, and in which order.

Pure functions: they know lengths and times, not what waits. Padding is the largest waste of an encoder, and each call
has a cost of its own; which of them weighs more in a batch, the cost model says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .cost_model import CostModel


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch may be.

    Attributes:
        texts: a batch.
        tokens: a batch, padding included; only a single text may have more.
    """

    texts: int
    tokens: int


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


def plan(
    lengths: Sequence[int], limits: Limits, costs: CostModel, order: Sequence[int], lanes: int = 1
) -> list[tuple[int, ...]]:
    """Cut what waits into the batches that take the least time in sum.

    Sorted by length, the texts of a best batch stand next to each other, so the best cut of the line is found from its
    short end on: what begins at a text costs the least over all places where its first batch may end (dynamic
    programming, as in the optimal line breaks of Knuth and Plass, 1981).

    Args:
        lengths: tokens of each text.
        limits: what a batch may be.
        costs: of a batch.
        order: all indices, the most urgent first.
        lanes: how many workers share the work; a batch has no more than one's share, unless it is a single text.

    Returns:
        Each index in exactly one batch, the batch with the most urgent text first.
    """
    count = len(order)
    # Longest first; among equals the most urgent, since sorting is stable.
    line = sorted(order, key=lengths.__getitem__, reverse=True)
    own = [costs.text(lengths[index]) for index in line]
    share = math.inf if lanes == 1 else sum(lengths) / lanes
    call, texts, tokens = costs.call, limits.texts, limits.tokens
    least = [0.0] * (count + 1)  # seconds, from each place to the end
    ends = [0] * count  # of the batch that begins there
    reach = count  # where a batch from here must end: the later texts are so short that padding costs more than a call
    for start in range(count - 1, -1, -1):
        each, longest = own[start], lengths[line[start]]
        while own[reach - 1] < each - call:
            reach -= 1
        most = min(texts, tokens // longest)
        if lanes > 1:
            most = min(most, math.ceil(share / longest))
        cut, seconds = start + 1, call + each
        best = seconds + least[cut]
        for end in range(start + 2, min(start + most, reach) + 1):
            seconds += each
            total = seconds + least[end]
            if total <= best:  # of equals the larger: fewer calls
                cut, best = end, total
        ends[start], least[start] = cut, best
    rank = [0] * count
    for place, index in enumerate(order):
        rank[index] = place
    batches = []
    start = 0
    while start < count:
        batches.append(tuple(line[start : ends[start]]))
        start = ends[start]
    batches.sort(key=lambda batch: min([rank[index] for index in batch]))
    return batches
