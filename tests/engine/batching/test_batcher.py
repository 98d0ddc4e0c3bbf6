import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from emberline.engine.batching.batcher import Batcher
from emberline.engine.batching.cost_model import CostModel
from emberline.engine.batching.planner import Limits
from emberline.engine.batching.queue import RequestQueue
from emberline.engine.batching.vector_cache import VectorCache
from emberline.engine.errors import DeadlineExceeded, InferenceFailed, Overloaded
from emberline.engine.metrics import Metrics
from emberline.engine.records import Encoding, Floats, Integers, RequestOptions
from emberline.engine.runtime.session import Session

WIDTH = 2
#: Texts with this number make the session fail.
POISON = 13
#: A call costs as much as four tokens.
COSTS = CostModel(4.0, 1.0, 0.0)
LIMITS = Limits(texts=4, tokens=64)


class Begun(asyncio.Queue[list[int]]):
    """The batches that have begun; who waits for one in vain fails instead of waiting for ever."""

    async def get(self) -> list[int]:
        """The numbers of the next batch."""
        async with asyncio.timeout(10):
            return await super().get()


class FakeSession:
    """Gives each text its number and its length as its vector; stops before each batch until it is let go on."""

    device = "fake"

    def __init__(self) -> None:
        self.begun = Begun()
        self.gate = threading.Semaphore(0)
        self._loop = asyncio.get_running_loop()

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch."""
        self._loop.call_soon_threadsafe(self.begun.put_nowait, ids[:, 0].tolist())
        assert self.gate.acquire(timeout=20), "the test forgot to let it go on"
        if POISON in ids[:, 0]:
            raise RuntimeError("out of luck")
        return np.stack([ids[:, 0], mask.sum(axis=1)], axis=1).astype(np.float32)

    def open(self) -> None:
        """Let all batches go on."""
        self.gate.release(1000)


def _text(number: int, length: int = 10) -> Encoding:
    return Encoding(np.full(length, number, np.int64), truncated=False)


def _batcher(
    session: Session,
    queue: RequestQueue | None = None,
    limits: Limits = LIMITS,
    costs: CostModel = COSTS,
    cache: VectorCache | None = None,
    metrics: Metrics | None = None,
    workers: int = 1,
    latency_sessions: Sequence[Session] = (),
    cores: int = 1,
) -> Batcher:
    return Batcher(
        session,
        RequestQueue(10_000, seconds_per_token=0.001) if queue is None else queue,
        limits,
        costs,
        VectorCache(0) if cache is None else cache,
        metrics or Metrics(),
        hidden=WIDTH,
        workers=workers,
        latency_sessions=latency_sessions,
        cores=cores,
    )


@pytest.fixture
async def session() -> FakeSession:
    """A session that waits before each batch."""
    return FakeSession()


@pytest.fixture
def metrics() -> Metrics:
    """The metrics of the batcher."""
    return Metrics()


@pytest.fixture
async def batcher(session: FakeSession, metrics: Metrics) -> AsyncIterator[Batcher]:
    """A batcher of one worker with small batches."""
    batcher = _batcher(session, metrics=metrics)
    yield batcher
    session.open()
    batcher.close()


def _count(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_vectors_come_back_in_the_order_of_their_texts(session: FakeSession, batcher: Batcher) -> None:
    """However the texts are sorted and cut into batches, each row is its text's."""
    session.open()
    lengths = [5, 60, 7, 30, 5, 61, 8]
    vectors = await batcher.encode([_text(number, length) for number, length in enumerate(lengths)], RequestOptions())
    assert vectors.embeddings.tolist() == [[number, length] for number, length in enumerate(lengths)]
    assert vectors.queue >= 0
    assert vectors.encode > 0


async def test_requests_share_batches(session: FakeSession, batcher: Batcher) -> None:
    """Texts of different requests that wait together go through the encoder together."""
    first = asyncio.create_task(batcher.encode([_text(0)], RequestOptions()))
    assert await session.begun.get() == [0]
    others = [asyncio.create_task(batcher.encode([_text(number)], RequestOptions())) for number in (1, 2, 3)]
    await asyncio.sleep(0)  # let them enter the queue
    session.open()
    assert sorted(await session.begun.get()) == [1, 2, 3]
    for number, task in enumerate([first, *others]):
        assert (await task).embeddings.tolist() == [[number, 10]]


async def test_a_long_request_does_not_hold_up_a_short_one(session: FakeSession, batcher: Batcher) -> None:
    """A request of one text that comes after one of forty is answered long before it."""
    long = asyncio.create_task(batcher.encode([_text(number) for number in range(100, 140)], RequestOptions()))
    await session.begun.get()
    short = asyncio.create_task(batcher.encode([_text(1, length=30)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    session.gate.release()
    assert await session.begun.get() == [1]
    session.gate.release()
    await short
    assert not long.done()
    session.open()
    await long


@pytest.mark.parametrize(
    ("done", "first"), [(0, 2), (16_384, 2), (16_385, 1), (100_000, 1)], ids=["at once", "almost", "just", "long ago"]
)
async def test_a_text_that_waited_long_enough_does_not_yield_to_deadlines(
    session: FakeSession, done: int, first: int
) -> None:
    """A text near its deadline overtakes others, but not those that are due since more than 16,384 tokens of work."""
    queue = RequestQueue(10_000, seconds_per_token=1.0)  # at this pace any deadline here is in danger
    batcher = _batcher(session, queue=queue, limits=Limits(1, 64))
    running = asyncio.create_task(batcher.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    patient = asyncio.create_task(batcher.encode([_text(1)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    start_tag = queue.virtual_time
    queue.virtual_time += done
    hurried = asyncio.create_task(batcher.encode([_text(2)], RequestOptions(deadline=time.monotonic() + 15)))
    await asyncio.sleep(0)  # let it enter the queue
    assert queue.virtual_time - start_tag == done
    session.open()
    assert await session.begun.get() == [first]
    await asyncio.gather(running, patient, hurried)
    batcher.close()


async def test_a_failed_batch_fails_exactly_its_own_requests(
    session: FakeSession, batcher: Batcher, metrics: Metrics
) -> None:
    """The requests in a batch that the model fails on get the error, all others their vectors, and the loop goes on."""
    before = asyncio.create_task(batcher.encode([_text(1)], RequestOptions()))
    await session.begun.get()
    poisoned = asyncio.create_task(batcher.encode([_text(POISON), _text(2, length=60)], RequestOptions()))
    sharing = asyncio.create_task(batcher.encode([_text(3)], RequestOptions()))
    apart = asyncio.create_task(batcher.encode([_text(4, length=30)], RequestOptions()))
    await asyncio.sleep(0)  # let them enter the queue
    session.open()
    for task in (poisoned, sharing):
        with pytest.raises(InferenceFailed, match="out of luck"):
            await task
    assert (await before).embeddings.tolist() == [[1, 10]]
    assert (await apart).embeddings.tolist() == [[4, 30]]
    assert (await batcher.encode([_text(5)], RequestOptions())).embeddings.tolist() == [[5, 10]]
    assert _count(metrics, "emberline_texts_total", outcome="failed") == 2


async def test_the_rest_of_a_failed_request_is_not_encoded(session: FakeSession, batcher: Batcher) -> None:
    """Texts of a failed request that are still in the queue leave it."""
    task = asyncio.create_task(
        batcher.encode([_text(POISON), *(_text(number, 60) for number in range(5))], RequestOptions())
    )
    assert await session.begun.get() == [POISON]
    session.open()
    with pytest.raises(InferenceFailed):
        await task
    await batcher.encode([_text(100)], RequestOptions())
    begun = [session.begun.get_nowait() for _ in range(session.begun.qsize())]
    assert len(begun) <= 2  # the one that had begun when the failure became known, and the last request's


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda ids: np.full((len(ids), WIDTH), np.nan, np.float32), id="not finite"),
        pytest.param(lambda ids: np.zeros((len(ids) + 1, WIDTH), np.float32), id="a row too many"),
    ],
)
async def test_vectors_that_cannot_be_right_are_a_failure(
    session: FakeSession,
    batcher: Batcher,
    monkeypatch: pytest.MonkeyPatch,
    wrong: Callable[[Integers], NDArray[np.float32]],
) -> None:
    """A model that gives NaN or the wrong shape fails the batch, and nothing of it reaches a catalogue."""
    monkeypatch.setattr(session, "run", lambda ids, _: wrong(ids))
    with pytest.raises(InferenceFailed, match="it gave"):
        await batcher.encode([_text(1)], RequestOptions())


async def test_a_cancelled_request_costs_nothing(session: FakeSession, batcher: Batcher, metrics: Metrics) -> None:
    """A request whose client has gone is dropped before it is encoded."""
    first = asyncio.create_task(batcher.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    gone = asyncio.create_task(batcher.encode([_text(1), _text(2)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    session.open()
    await first
    await batcher.encode([_text(3)], RequestOptions())
    assert await session.begun.get() == [3]
    assert _count(metrics, "emberline_texts_total", outcome="dropped") == 2


async def test_a_request_past_its_deadline_costs_nothing(session: FakeSession, batcher: Batcher) -> None:
    """When the deadline passes in the queue, the request fails then and is never encoded."""
    first = asyncio.create_task(batcher.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    with pytest.raises(DeadlineExceeded, match="in the queue"):
        await batcher.encode([_text(1)], RequestOptions(deadline=time.monotonic() + 0.001))
    session.open()
    await first
    await batcher.encode([_text(3)], RequestOptions())
    assert await session.begun.get() == [3]


async def test_the_same_text_in_the_queue_is_encoded_once(
    session: FakeSession, batcher: Batcher, metrics: Metrics
) -> None:
    """Two requests for one text cost one encoding, and both get its vector."""
    first = asyncio.create_task(batcher.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    tasks = [asyncio.create_task(batcher.encode([_text(7)], RequestOptions())) for _ in range(2)]
    await asyncio.sleep(0)  # let them enter the queue
    session.open()
    assert await session.begun.get() == [7]
    assert [(await task).embeddings.tolist() for task in tasks] == [[[7, 10]]] * 2
    await first
    assert _count(metrics, "emberline_texts_total", outcome="shared") == 1
    assert _count(metrics, "emberline_texts_total", outcome="encoded") == 2


async def test_a_full_queue_refuses_and_then_accepts_again(session: FakeSession) -> None:
    """Beyond its limit the queue rejects a request at once; when there is room, it accepts the same request."""
    batcher = _batcher(session, queue=RequestQueue(30, seconds_per_token=0.001), limits=Limits(1, 64))
    running = asyncio.create_task(batcher.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    waiting = asyncio.create_task(batcher.encode([_text(1), _text(2)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    with pytest.raises(Overloaded):
        await batcher.encode([_text(3), _text(4)], RequestOptions())
    session.open()
    await asyncio.gather(running, waiting)
    await batcher.encode([_text(3), _text(4)], RequestOptions())
    batcher.close()


@pytest.fixture
async def latency_session() -> FakeSession:
    """A session for requests that are alone."""
    return FakeSession()


@pytest.fixture
async def pair(session: FakeSession, latency_session: FakeSession) -> AsyncIterator[Batcher]:
    """A batcher of two workers, which gives both cores to a request that is alone."""
    batcher = _batcher(session, workers=2, latency_sessions=[latency_session], cores=2)
    yield batcher
    session.open()
    latency_session.open()
    batcher.close()


async def test_a_lone_text_gets_all_cores(session: FakeSession, latency_session: FakeSession, pair: Batcher) -> None:
    """One text that comes to an idle batcher gets all cores; texts that arrive meanwhile then get a core each."""
    alone = asyncio.create_task(pair.encode([_text(0)], RequestOptions()))
    assert await latency_session.begun.get() == [0]
    others = [asyncio.create_task(pair.encode([_text(number)], RequestOptions())) for number in (1, 2)]
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
    await asyncio.gather(*(pair.encode([_text(number)], RequestOptions()) for number in (1, 2)))
    for number in range(3, 6):
        await pair.encode([_text(number)], RequestOptions())
    assert latency_session.begun.empty()
    latency_session.open()
    await pair.encode([_text(7)], RequestOptions())
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
    batcher = _batcher(
        session, costs=CostModel(0.001, 0.0, 0.0), workers=2, latency_sessions=[latency_session], cores=2
    )
    await batcher.encode([_text(0)], RequestOptions())
    await asyncio.gather(*(batcher.encode([_text(number)], RequestOptions()) for number in (1, 2)))
    for number in range(20, 50):
        await batcher.encode([_text(number)], RequestOptions())
    batcher.close()

    here = threading.get_ident()
    assert threads[0] == threads[-1] == here
    assert here not in threads[1:10]


async def test_the_last_text_of_a_request_does_not_wait_for_busy_cores(
    session: FakeSession, latency_session: FakeSession, pair: Batcher
) -> None:
    """One text left in the queue beside one that is still being encoded gets a core, not both."""
    rest = asyncio.create_task(pair.encode([_text(number, length=64) for number in (1, 2, 3)], RequestOptions()))
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
    left = asyncio.create_task(pair.encode([_text(1), _text(2)], RequestOptions()))
    assert sorted([await session.begun.get(), await session.begun.get()]) == [[1], [2]]
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    only = asyncio.create_task(pair.encode([_text(3)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    session.gate.release()
    assert await session.begun.get() == [3]
    session.open()
    await only
    assert latency_session.begun.empty()


async def test_several_texts_get_a_core_each(session: FakeSession, latency_session: FakeSession, pair: Batcher) -> None:
    """A request that can keep all cores busy does not get them all for one batch, though the batcher is idle."""
    session.open()
    await pair.encode([_text(1), _text(2)], RequestOptions())
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
    batcher = _batcher(session, costs=costs, workers=2, latency_sessions=[Watched()], cores=2)
    pending = batcher.encode([_text(number)], RequestOptions())
    if number == POISON:
        with pytest.raises(InferenceFailed, match="out of luck"):
            await pending
    else:
        assert (await pending).embeddings.tolist() == [[number, 10]]
    assert threads == [threading.current_thread()]
    batcher.close()


async def test_requests_that_arrive_together_are_planned_together(session: FakeSession, batcher: Batcher) -> None:
    """The first of several requests that arrive at once does not go ahead alone."""
    session.open()
    await asyncio.gather(*(batcher.encode([_text(number)], RequestOptions()) for number in range(4)))
    assert sorted(await session.begun.get()) == [0, 1, 2, 3]


async def test_a_text_that_was_encoded_is_not_encoded_again(session: FakeSession, metrics: Metrics) -> None:
    """Known texts of a request come from the cache, the others from the encoder, each in its row."""
    batcher = _batcher(session, cache=VectorCache(10_000), metrics=metrics)
    session.open()
    await batcher.encode([_text(1), _text(2, 20)], RequestOptions())
    mixed = await batcher.encode([_text(2, 20), _text(3), _text(1)], RequestOptions())
    assert mixed.embeddings.tolist() == [[2, 20], [3, 10], [1, 10]]
    assert mixed.encode > 0
    known = await batcher.encode([_text(3), _text(1)], RequestOptions())
    assert known.embeddings.tolist() == [[3, 10], [1, 10]]
    assert (known.queue, known.encode) == (0, 0)
    numbers = [number for _ in range(session.begun.qsize()) for number in session.begun.get_nowait()]
    assert sorted(numbers) == [1, 2, 3]
    assert _count(metrics, "emberline_texts_total", outcome="cached") == 4
    batcher.close()


async def test_a_failed_text_is_not_cached(session: FakeSession, metrics: Metrics) -> None:
    """A text whose batch failed is encoded when it comes again."""
    batcher = _batcher(session, limits=Limits(1, 64), cache=VectorCache(10_000), metrics=metrics)
    session.open()
    for _ in range(2):
        with pytest.raises(InferenceFailed):
            await batcher.encode([_text(POISON)], RequestOptions())
    assert session.begun.qsize() == 2
    batcher.close()


async def test_padding_and_tokens_are_counted(session: FakeSession, batcher: Batcher, metrics: Metrics) -> None:
    """The metrics tell the encoder's useful tokens from its padding."""
    session.open()
    await batcher.encode([_text(0, 10), _text(1, 8), _text(2, 40)], RequestOptions())
    assert _count(metrics, "emberline_tokens_total", kind="real") == 58
    assert _count(metrics, "emberline_tokens_total", kind="padding") == 2
    assert _count(metrics, "emberline_batch_texts_count") == 2
