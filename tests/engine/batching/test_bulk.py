"""Large requests share the queue with small ones, and with each other."""

from __future__ import annotations

import asyncio

import pytest
from sessions import POISON, FakeSession, make_batcher, text

from emberline.engine.batching.batcher import Batcher
from emberline.engine.batching.planner import Limits
from emberline.engine.batching.queue import RequestQueue
from emberline.engine.errors import DeadlineExceeded, InferenceFailed, Overloaded
from emberline.engine.records import Encoding, RequestOptions

#: The queue holds 2,048 tokens, a slice 512; large requests may fill 1,536.
LIMIT = 2048
LENGTH = 64
SLICE = 512 // LENGTH
BULK = LIMIT * 3 // 4 // LENGTH


def bulk(count: int, first: int = 100) -> list[Encoding]:
    """The texts of a large request, told apart by their numbers."""
    return [text(first + number, LENGTH) for number in range(count)]


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def queue() -> RequestQueue:
    """The queue."""
    return RequestQueue(LIMIT, seconds_per_token=0.001)


@pytest.fixture
async def batcher(session: FakeSession, queue: RequestQueue) -> Batcher:
    """A batcher of one worker that runs a text at a time."""
    return make_batcher(session, queue=queue, limits=Limits(1, LENGTH))


async def test_a_large_request_leaves_room_for_small_ones(
    session: FakeSession, queue: RequestQueue, batcher: Batcher
) -> None:
    """It fills three quarters of the queue at most; small requests are accepted beside it, and come soon."""
    large = asyncio.create_task(batcher.encode(bulk(100), RequestOptions()))
    await settle()
    assert (BULK - SLICE) * LENGTH < queue.waiting <= BULK * LENGTH
    assert batcher.waiting_tokens == 99 * LENGTH  # one runs
    small = [asyncio.create_task(batcher.encode([text(number)], RequestOptions())) for number in range(20, 40)]
    await settle()
    session.gate.release(30)
    await asyncio.gather(*small)
    assert not large.done()
    session.open()
    encoded = await large
    assert encoded.embeddings[:, 0].tolist() == list(range(100, 200))
    assert (queue.waiting, queue.bulk_waiting, batcher.waiting_tokens) == (0, 0, 0)
    batcher.close()


async def test_small_requests_do_not_shut_a_large_one_out(session: FakeSession, batcher: Batcher) -> None:
    """While small requests keep coming, a large one is served all the same."""
    ended = asyncio.Event()

    async def caller(number: int) -> int:
        count = 0
        while not ended.is_set():
            await batcher.encode([text(1000 + 100 * number + count % 100)], RequestOptions())
            count += 1
        return count

    callers = [asyncio.create_task(caller(number)) for number in range(8)]
    session.gate.release(1_000_000)
    async with asyncio.timeout(20):
        await batcher.encode(bulk(100), RequestOptions())
    ended.set()
    assert min(await asyncio.gather(*callers)) > 0
    batcher.close()


async def test_large_requests_take_turns(session: FakeSession, batcher: Batcher) -> None:
    """The second does not wait for the first to end: their slices enter the queue in turns."""
    first = asyncio.create_task(batcher.encode(bulk(200), RequestOptions()))
    await settle()
    second = asyncio.create_task(batcher.encode(bulk(3 * SLICE, first=1000), RequestOptions()))
    await settle()
    session.gate.release(BULK + 8 * SLICE)
    async with asyncio.timeout(20):
        await second
    assert not first.done()
    session.open()
    await first
    batcher.close()


async def test_what_cannot_be_held_is_refused(session: FakeSession, queue: RequestQueue, batcher: Batcher) -> None:
    """Beyond eight times the queue's limit; the hint is what all that waits will take."""
    first = asyncio.create_task(batcher.encode(bulk(7 * LIMIT // LENGTH), RequestOptions()))
    await settle()
    with pytest.raises(Overloaded) as refusal:
        await batcher.encode(bulk(3 * LIMIT // LENGTH, first=1000), RequestOptions())
    assert refusal.value.retry_after == pytest.approx(batcher.waiting_tokens * queue.seconds_per_token)
    assert refusal.value.retry_after > 5
    session.open()
    await first
    batcher.close()


async def test_a_large_request_that_gives_up_leaves_nothing(
    session: FakeSession, queue: RequestQueue, batcher: Batcher
) -> None:
    """By its deadline or by being cancelled: nothing of it waits any more, and the next one's slices come in."""
    hurried = asyncio.create_task(
        batcher.encode(bulk(60), RequestOptions(deadline=asyncio.get_running_loop().time() + 0.1))
    )
    cancelled = asyncio.create_task(batcher.encode(bulk(60, first=1000), RequestOptions()))
    last = asyncio.create_task(batcher.encode(bulk(60, first=2000), RequestOptions()))
    await settle()
    cancelled.cancel()
    with pytest.raises(DeadlineExceeded):
        await hurried
    await settle()
    assert batcher.waiting_tokens == 60 * LENGTH
    session.open()
    await last
    assert (queue.waiting, batcher.waiting_tokens) == (0, 0)
    batcher.close()


async def test_a_failed_batch_ends_a_large_request(session: FakeSession, queue: RequestQueue, batcher: Batcher) -> None:
    """Its texts that are not in the queue yet never enter it."""
    texts = [text(POISON, LENGTH), *bulk(100)]
    session.open()
    with pytest.raises(InferenceFailed):
        await batcher.encode(texts, RequestOptions())
    assert (queue.waiting, batcher.waiting_tokens) == (0, 0)
    batcher.close()
