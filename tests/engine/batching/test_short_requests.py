"""Short requests beside long ones: on a clock of the test's own, so that every time is exact."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sessions import FakeSession, make_batcher, text

from emberline.engine.batching import batcher as module
from emberline.engine.batching.batcher import Batcher
from emberline.engine.batching.cost_model import CostModel
from emberline.engine.batching.pending import PendingRequest, QueuedText
from emberline.engine.batching.planner import Limits, plan_apart
from emberline.engine.batching.short_requests import ShortRequests
from emberline.engine.records import Floats, Integers, RequestOptions

#: One core of a CPU with int8, about: a text of 16 tokens takes 2.9 ms.
COSTS = CostModel(0.0003, 0.00016, 2e-7)
LIMITS = Limits(32, 256)
SHORT = 16
BULK_LENGTHS = (16, 8, 24, 12, 16, 20)
SECONDS_OF_SHORT = COSTS.batch(1, SHORT)


class VirtualThreads:
    """Workers whose batches take the predicted time, on a clock that moves when everything has happened that can."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.batches: list[tuple[float, int, float]] = []  # when each batch began, its texts, and the seconds it took
        self._number = itertools.count()  # orders what happens at the same moment
        self._running: list[tuple[float, int, Callable[[], None]]] = []

    def submit(self, run: Callable[..., None], texts: list[QueuedText], *arguments: Any) -> None:
        """Run a batch."""
        seconds = COSTS.batch(len(texts), max(map(len, texts)))
        self.batches.append((self.now, len(texts), seconds))
        self.at(self.now + seconds, lambda: run(texts, *arguments))

    def at(self, moment: float, function: Callable[[], None]) -> None:
        """Call a function at a moment."""
        heapq.heappush(self._running, (moment, next(self._number), function))

    def shutdown(self) -> None:
        """There is nothing to stop."""

    async def run(self) -> None:
        """Let time pass until nothing more is to happen."""
        while True:
            for _ in range(8):
                await asyncio.sleep(0)
            if not self._running:
                return
            self.now, _, function = heapq.heappop(self._running)
            function()


class InstantSession:
    """Encodes at once."""

    device = "fake"

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch."""
        return FakeSession.vectors(ids, mask)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualThreads]:
    """Threads and a clock for the batcher."""
    threads = VirtualThreads()
    with monkeypatch.context() as patch:
        patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: threads.now))
        patch.setattr(module, "ThreadPoolExecutor", lambda *_: threads)
        yield threads


@pytest.fixture
async def batcher(threads: VirtualThreads) -> Batcher:
    """A batcher of two workers."""
    return make_batcher(InstantSession(), limits=LIMITS, costs=COSTS, workers=2)


def bulk(count: int) -> list[Any]:
    """The texts of a long request."""
    return [text(1000 + number, BULK_LENGTHS[number % len(BULK_LENGTHS)]) for number in range(count)]


async def ask(batcher: Batcher, threads: VirtualThreads, calls: int, gap: float) -> list[float]:
    """One call of one text after the other; returns the seconds that each took."""
    took: list[float] = []
    for number in range(calls):
        due = asyncio.get_running_loop().create_future()
        threads.at(threads.now + gap, lambda due=due: due.set_result(None))  # type: ignore[misc]
        await due
        started = threads.now
        await batcher.encode([text(number % 900, SHORT)], RequestOptions())
        took.append(threads.now - started)
    return took


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("gap", [0.001, 0.0171, 0.11])
async def test_a_bulk_does_not_hold_up_short_requests(threads: VirtualThreads, workers: int, gap: float) -> None:
    """Beside a bulk of 500 texts, 99 of 100 calls of one text take at most three times what they take without it."""
    batcher = make_batcher(InstantSession(), limits=LIMITS, costs=COSTS, workers=workers)
    large = asyncio.create_task(batcher.encode(bulk(500), RequestOptions()))
    asking = asyncio.create_task(ask(batcher, threads, 20, gap))
    await threads.run()
    took = (await asking)[2:]  # those after the first, which nobody could expect
    assert np.quantile(took, 0.99) <= 3 * SECONDS_OF_SHORT
    if workers > 1:
        assert max(took) == pytest.approx(SECONDS_OF_SHORT)
    assert (await large).embeddings[:, 0].tolist() == list(range(1000, 1500))


async def test_a_bulk_by_itself_has_full_batches(batcher: Batcher, threads: VirtualThreads) -> None:
    """Without short requests its batches are as large as ever, and again a second after the last of them."""
    encoding = asyncio.create_task(batcher.encode(bulk(300), RequestOptions()))
    await threads.run()
    await encoding
    by_itself = max(texts for _, texts, _ in threads.batches)
    assert by_itself >= 10

    await asyncio.gather(threads.run(), batcher.encode([text(1, SHORT)], RequestOptions()))
    threads.batches.clear()
    began = threads.now
    encoding = asyncio.create_task(batcher.encode(bulk(600), RequestOptions()))
    await threads.run()
    await encoding
    longest = max(SECONDS_OF_SHORT, COSTS.batch(1, max(BULK_LENGTHS)))
    assert max(seconds for start, _, seconds in threads.batches if start < began + 0.99) <= longest + 1e-9
    assert max(texts for start, texts, _ in threads.batches if start > began + 1.0) >= by_itself


async def test_a_bulk_gets_its_share_beside_many_callers(batcher: Batcher, threads: VirtualThreads) -> None:
    """The worker that is left free is no way to shut a long request out: it ends while 16 callers go on asking."""
    asking = [asyncio.create_task(ask(batcher, threads, 10_000, 0.0001)) for _ in range(16)]
    large = asyncio.create_task(batcher.encode(bulk(200), RequestOptions()))
    running = asyncio.create_task(threads.run())
    async with asyncio.timeout(60):
        await large
    assert not any(task.done() for task in asking)
    fair = sum(COSTS.text(len(encoding)) for encoding in bulk(200)) / 2 * 4
    assert threads.now - 1000.0 < 1.5 * fair
    for task in (*asking, running):
        task.cancel()
    await asyncio.gather(*asking, running, return_exceptions=True)


def queued(start_tag: float, *, long: bool) -> QueuedText:
    """A text in the queue."""
    waiting = QueuedText(text(1), start_tag)
    waiting.long = long
    return waiting


async def test_texts_whose_turn_has_come_may_have_the_last_worker() -> None:
    """Others of long requests leave it free, while short ones are expected."""
    requests = ShortRequests(LIMITS, COSTS)
    late, due, short = queued(101.0, long=True), queued(100.0, long=True), queued(101.0, long=False)
    assert requests.leave_free([late], 100.0, now=50.0) == 0
    assert requests.observe([SHORT], now=50.0)
    assert requests.leave_free([late], 100.0, now=51.0) == 1
    assert requests.leave_free([late, due], 100.0, now=51.0) == 0
    assert requests.leave_free([short], 100.0, now=51.0) == 0
    assert requests.leave_free([late], 100.0, now=51.1) == 0


def test_two_batches_are_short() -> None:
    """A single text of any length is a short request, and so are two full batches; more is long."""
    requests = ShortRequests(Limits(4, 64), COSTS)
    assert requests.observe([512], 0.0)
    assert requests.observe([16] * 8, 0.0)
    assert not requests.observe([17] * 8, 0.0)
    assert not requests.observe([1] * 9, 0.0)


async def test_a_text_of_both_kinds_of_requests_is_planned_with_the_short_ones() -> None:
    """A text that a long request brought, and a short one waits for, is a short one's; when that left, it is not."""
    waiting = QueuedText(text(1), 0.0)
    long, short = (PendingRequest(1, 2, RequestOptions(), 0.0) for _ in range(2))
    long.long = True
    waiting.set_waiters([(long, 0)])
    assert waiting.long
    waiting.set_waiters([(long, 0), (short, 0)])
    assert not waiting.long
    waiting.set_waiters([(long, 0)])
    assert waiting.long


def test_a_call_that_costs_more_than_its_texts_keeps_its_batches() -> None:
    """Where texts are nearly free, as on a GPU, a long request's batch is bound by two calls and not by one text."""
    gpu = CostModel(0.002, 0.000001, 0.0)
    requests = ShortRequests(Limits(128, 16_384), gpu)
    requests.observe([SHORT], 0.0)
    waiting = [queued(float(number), long=True) for number in range(100)]
    assert [len(batch) for batch in requests.batches(waiting, range(100), 1, 0.0)] == [100]


def test_batches_apart_hold_every_text_once_and_come_in_order() -> None:
    """Short and long requests' texts share no batch; the batch with the most urgent text comes first."""
    lengths = [16, 16, 8, 16, 8, 16]
    long = [True, False, True, True, False, True]
    batches = plan_apart(lengths, long, LIMITS, Limits(32, 256, COSTS.batch(2, 16)), COSTS, [3, 1, 0, 2, 5, 4])
    assert sorted(index for batch in batches for index in batch) == list(range(6))
    assert all(len({long[index] for index in batch}) == 1 for batch in batches)
    assert 3 in batches[0]
    assert all(COSTS.batch(len(b), max(lengths[i] for i in b)) <= COSTS.batch(2, 16) for b in batches if long[b[0]])
