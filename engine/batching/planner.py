"""Planning: which texts go through the encoder together, and in which order.

These are pure functions of lengths, start tags and deadlines. Padding is the largest waste of an encoder, and each call
has a fixed cost; the cost model says which of the two weighs more in a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .cost_model import CostModel


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a batch.

    Attributes:
        texts: maximum number of texts in a batch.
        tokens: maximum number of tokens in a batch, padding included. A single text may have more.
        seconds: maximum predicted time of a batch. A single text may take longer.
    """

    texts: int
    tokens: int
    seconds: float = math.inf


def urgency(
    start_tags: Sequence[float],
    deadlines: Sequence[float | None],
    *,
    aged_before: float = -math.inf,
    at_risk_before: float = -math.inf,
) -> list[int]:
    """Order texts by urgency: first the aged, then those that would miss their deadline, then the rest.

    The aged come before those at risk, so that no stream of short deadlines can starve a text without one. The aged
    and the rest are sorted by start tag, those at risk by deadline.

    Args:
        start_tags: start tag of each text, on the queue's virtual clock (tokens of work handed out).
        deadlines: deadline of each text, in seconds; None: it has none.
        aged_before: texts with an earlier start tag have waited long enough.
        at_risk_before: texts with an earlier deadline will miss it unless they overtake.

    Returns:
        All indices, the most urgent first.
    """

    def key(index: int) -> tuple[int, float, float]:
        start_tag, deadline = start_tags[index], deadlines[index]
        if start_tag < aged_before:
            return 0, start_tag, 0.0
        if deadline is not None and deadline < at_risk_before:
            return 1, deadline, start_tag
        return 2, start_tag, 0.0

    return sorted(range(len(start_tags)), key=key)


def plan_apart(
    lengths: Sequence[int],
    long: Sequence[bool],
    limits: Limits,
    long_limits: Limits,
    costs: CostModel,
    order: Sequence[int],
    workers: int = 1,
) -> list[tuple[int, ...]]:
    """Cut the waiting texts into batches like `plan`, but those of long requests apart and with bounds of their own.

    Args:
        lengths: number of tokens of each text.
        long: whether only long requests wait for a text.
        limits: bounds of a batch of other texts.
        long_limits: bounds of a batch of long requests' texts.
        costs: predicts the time of a batch.
        order: all indices, the most urgent first.
        workers: number of workers that share the texts.

    Returns:
        The batches, which hold each index once. The batch with the most urgent text comes first.
    """
    rank = {index: position for position, index in enumerate(order)}
    batches = []
    for chosen, bounds in ((False, limits), (True, long_limits)):
        part = [index for index in order if long[index] is chosen]
        if part:
            batches += [
                tuple(part[index] for index in batch)
                for batch in plan([lengths[index] for index in part], bounds, costs, range(len(part)), workers)
            ]
    return sorted(batches, key=lambda batch: min(rank[index] for index in batch))


def plan(
    lengths: Sequence[int], limits: Limits, costs: CostModel, order: Sequence[int], workers: int = 1
) -> list[tuple[int, ...]]:
    """Cut the waiting texts into the batches whose predicted times have the least sum.

    The texts of an optimal batch are neighbours when all texts are sorted by length. So dynamic programming finds the
    best cut, from the shortest text on: the least cost from a text to the end is the minimum over all ends of the batch
    that starts with it (as in the optimal line breaks of Knuth and Plass, 1981).

    Args:
        lengths: number of tokens of each text.
        limits: bounds of a batch.
        costs: predicts the time of a batch.
        order: all indices, the most urgent first.
        workers: number of workers that share the texts. A batch holds at most one worker's share, or a single text.

    Returns:
        The batches, which hold each index once. The batch with the most urgent text comes first.
    """
    count = len(order)
    # Longest first; among equals the most urgent, since sorting is stable.
    by_length = sorted(order, key=lengths.__getitem__, reverse=True)
    own = [costs.text(lengths[index]) for index in by_length]
    share = math.inf if workers == 1 else sum(lengths) / workers
    call, texts, tokens = costs.call, limits.texts, limits.tokens
    least = [0.0] * (count + 1)  # seconds, from each position to the end
    ends = [0] * count  # of the batch that starts at each position
    reach = count  # where a batch from here must end: the later texts are so short that padding costs more than a call
    for start in range(count - 1, -1, -1):
        each, longest = own[start], lengths[by_length[start]]
        while own[reach - 1] < each - call:
            reach -= 1
        most = min(texts, tokens // longest)
        if workers > 1:
            most = min(most, math.ceil(share / longest))
        cut, seconds = start + 1, call + each
        best = seconds + least[cut]
        for end in range(start + 2, min(start + most, reach) + 1):
            seconds += each
            if seconds > limits.seconds:
                break
            total = seconds + least[end]
            if total <= best:  # of equals the larger: fewer calls
                cut, best = end, total
        ends[start], least[start] = cut, best
    rank = [0] * count
    for position, index in enumerate(order):
        rank[index] = position
    batches = []
    start = 0
    while start < count:
        batches.append(tuple(by_length[start : ends[start]]))
        start = ends[start]
    batches.sort(key=lambda batch: min([rank[index] for index in batch]))
    return batches
