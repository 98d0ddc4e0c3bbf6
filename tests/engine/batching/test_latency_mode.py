"""Requests that are alone: all cores for one batch, on the event loop's own thread where it is short."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from sessions import POISON, FakeSession, make_batcher, text

from emberline.engine.batching import batcher as module
from emberline.engine.batching.batcher import Batcher
from emberline.engine.batching.cost_model import CostModel
from emberline.engine.errors import InferenceFailed
from emberline.engine.records import Floats, Integers, RequestOptions


@pytest.fixture
async def latency_session() -> FakeSession:
    """A session for requests that are alone."""
    return FakeSession()


@pytest.fixture
async def pair(session: FakeSession, latency_session: FakeSession) -> AsyncIterator[Batcher]:
    """A batcher of two workers, which gives both cores to a request that is alone."""
    batcher = make_batcher(session, workers=2, latency_sessions=[latency_session], cores=2)
    yield batcher
    session.open()
    latency_session.open()
    batcher.close()


async def test_a_lone_text_gets_all_cores(session: FakeSession, latency_session: FakeSession, pair: Batcher) -> None:
    """One text that comes to an idle batcher gets all cores; texts that arrive meanwhile then get a core each."""
    alone = asyncio.create_task(pair.encode([text(0)], RequestOptions()))
    assert await latency_session.begun.get() == [0]
    others = [asyncio.create_task(pair.encode([text(number)], RequestOptions())) for number in (1, 2)]
    await asyncio.sleep(0)  # let them enter the queue
    assert session.begun.empty()  # the cores are busy
    latency_session.gate.release()
    await alone
    assert sorted([await session.begun.get(), await session.begun.get()]) == [[1], [2]]
    session.open()
    await asyncio.gather(*others)


async def test_only_several_idle_arrivals_in_a_row_count_as_alone(
    session: FakeSession, latency_session: FakeSession, pair: Batcher
) -> None:
    """Callers that take turns keep a core each; a batch gets all cores after several requests in a row were alone."""
    session.open()
    await asyncio.gather(*(pair.encode([text(number)], RequestOptions()) for number in (1, 2)))
    for number in range(3, 6):
        await pair.encode([text(number)], RequestOptions())
    assert latency_session.begun.empty()
    latency_session.open()
    await pair.encode([text(7)], RequestOptions())
    assert await latency_session.begun.get() == [7]


async def test_a_batch_runs_on_the_event_loop_only_after_many_idle_arrivals(session: FakeSession) -> None:
    """A short batch runs on the loop's own thread once many requests in a row were alone, and on a worker's before."""
    threads: list[int] = []

    class Watched(FakeSession):
        def run(self, ids: Integers, mask: Integers) -> Floats:
            threads.append(threading.get_ident())
            return super().run(ids, mask)

    latency_session = Watched()
    latency_session.open()
    session.open()
    batcher = make_batcher(
        session, costs=CostModel(0.001, 0.0, 0.0), workers=2, latency_sessions=[latency_session], cores=2
    )
    await batcher.encode([text(0)], RequestOptions())
    await asyncio.gather(*(batcher.encode([text(number)], RequestOptions()) for number in (1, 2)))
    for number in range(20, 50):
        await batcher.encode([text(number)], RequestOptions())
    batcher.close()

    here = threading.get_ident()
    assert threads[0] == threads[-1] == here
    assert here not in threads[1:10]


async def test_the_last_text_of_a_request_does_not_wait_for_busy_cores(
    session: FakeSession, latency_session: FakeSession, pair: Batcher
) -> None:
    """One text left in the queue beside one that is still being encoded gets a core, not both."""
    rest = asyncio.create_task(pair.encode([text(number, length=64) for number in (1, 2, 3)], RequestOptions()))
    assert sorted([await session.begun.get(), await session.begun.get()]) == [[1], [2]]
    session.gate.release()
    assert await session.begun.get() == [3]
    session.open()
    await rest
    assert latency_session.begun.empty()


async def test_a_request_after_a_cancelled_one_does_not_wait_for_busy_cores(
    session: FakeSession, latency_session: FakeSession, pair: Batcher
) -> None:
    """A request may be the only one and yet not alone: the batches of one that gave up still run."""
    left = asyncio.create_task(pair.encode([text(1), text(2)], RequestOptions()))
    assert sorted([await session.begun.get(), await session.begun.get()]) == [[1], [2]]
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    only = asyncio.create_task(pair.encode([text(3)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    session.gate.release()
    assert await session.begun.get() == [3]
    session.open()
    await only
    assert latency_session.begun.empty()


async def test_several_texts_get_a_core_each(session: FakeSession, latency_session: FakeSession, pair: Batcher) -> None:
    """A request that can keep all cores busy does not get them all for one batch, though the batcher is idle."""
    session.open()
    await pair.encode([text(1), text(2)], RequestOptions())
    assert latency_session.begun.empty()


@pytest.mark.parametrize("number", [1, POISON])
async def test_a_short_lone_batch_is_not_handed_over(
    session: FakeSession, latency_session: FakeSession, number: int
) -> None:
    """It runs on the thread of the event loop, and is answered or fails like any other."""
    threads: list[threading.Thread] = []
    run = latency_session.run

    class Watched:
        device = "fake"

        def run(self, ids: Integers, mask: Integers) -> Floats:
            threads.append(threading.current_thread())
            return run(ids, mask)

    latency_session.open()
    costs = CostModel(1e-4, 1e-5, 0.0)
    batcher = make_batcher(session, costs=costs, workers=2, latency_sessions=[Watched()], cores=2)
    pending = batcher.encode([text(number)], RequestOptions())
    if number == POISON:
        with pytest.raises(InferenceFailed, match="out of luck"):
            await pending
    else:
        assert (await pending).embeddings.tolist() == [[number, 10]]
    assert threads == [threading.current_thread()]
    batcher.close()


@pytest.mark.parametrize(("seconds", "inline"), [(0.01, True), (0.0101, False), (1.0, False)])
async def test_only_a_short_batch_holds_up_the_event_loop(session: FakeSession, seconds: float, inline: bool) -> None:
    """A lone batch that is expected to take more than a hundredth of a second runs on a worker's thread."""
    threads: list[int] = []

    class Watched(FakeSession):
        def run(self, ids: Integers, mask: Integers) -> Floats:
            threads.append(threading.get_ident())
            return super().run(ids, mask)

    watched = Watched()
    watched.open()
    costs = CostModel(seconds, 0.0, 0.0)
    batcher = make_batcher(session, costs=costs, workers=2, latency_sessions=[watched], cores=2)
    await batcher.encode([text(0)], RequestOptions())
    batcher.close()
    assert (threads == [threading.get_ident()]) is inline


async def test_the_faster_of_two_sessions_is_found(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a lone request's batch took is compared with what the other session takes, and the faster one goes on."""
    now = 100.0
    ran: list[str] = []

    class TimedSession:
        device = "fake"

        def __init__(self, name: str, seconds: float) -> None:
            self.name, self.seconds = name, seconds

        def run(self, ids: Integers, mask: Integers) -> Floats:
            nonlocal now
            now += self.seconds
            ran.append(self.name)
            return FakeSession.vectors(ids, mask)

    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    costs = CostModel(1e-4, 1e-5, 0.0)
    sessions = [TimedSession("slow", 5.0), TimedSession("fast", 1.0)]
    batcher = make_batcher(session, costs=costs, workers=2, latency_sessions=sessions, cores=2)
    for number in range(14):
        await batcher.encode([text(number)], RequestOptions())
    batcher.close()
    assert ran[:4].count("slow") == 2
    assert ran[4:] == ["fast"] * 10
