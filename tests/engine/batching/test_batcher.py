import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sessions import POISON, WIDTH, FakeSession, make_batcher, text

from emberline.engine.batching import batcher as module
from emberline.engine.batching.batcher import Batcher
from emberline.engine.batching.cost_model import CostModel
from emberline.engine.batching.planner import Limits
from emberline.engine.batching.queue import RequestQueue
from emberline.engine.batching.vector_cache import VectorCache
from emberline.engine.errors import DeadlineExceeded, InferenceFailed, Overloaded
from emberline.engine.prometheus import PrometheusMetrics
from emberline.engine.records import Floats, Integers, RequestOptions


@pytest.fixture
def metrics() -> PrometheusMetrics:
    """The metrics of the batcher."""
    return PrometheusMetrics()


@pytest.fixture
async def batcher(session: FakeSession, metrics: PrometheusMetrics) -> AsyncIterator[Batcher]:
    """A batcher of one worker with small batches."""
    batcher = make_batcher(session, metrics=metrics)
    yield batcher
    session.open()
    batcher.close()


def _count(metrics: PrometheusMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_vectors_come_back_in_the_order_of_their_texts(session: FakeSession, batcher: Batcher) -> None:
    """However the texts are sorted and cut into batches, each row is its text's."""
    session.open()
    lengths = [5, 60, 7, 30, 5, 61, 8]
    vectors = await batcher.encode([text(number, length) for number, length in enumerate(lengths)], RequestOptions())
    assert vectors.embeddings.tolist() == [[number, length] for number, length in enumerate(lengths)]
    assert vectors.queue >= 0
    assert vectors.encode > 0


async def test_requests_share_batches(session: FakeSession, batcher: Batcher) -> None:
    """Texts of different requests that wait together go through the encoder together."""
    first = asyncio.create_task(batcher.encode([text(0)], RequestOptions()))
    assert await session.begun.get() == [0]
    others = [asyncio.create_task(batcher.encode([text(number)], RequestOptions())) for number in (1, 2, 3)]
    await asyncio.sleep(0)  # let them enter the queue
    session.open()
    assert sorted(await session.begun.get()) == [1, 2, 3]
    for number, task in enumerate([first, *others]):
        assert (await task).embeddings.tolist() == [[number, 10]]


async def test_a_long_request_does_not_hold_up_a_short_one(session: FakeSession, batcher: Batcher) -> None:
    """A request of one text that comes after one of forty is answered long before it."""
    long = asyncio.create_task(batcher.encode([text(number) for number in range(100, 140)], RequestOptions()))
    await session.begun.get()
    short = asyncio.create_task(batcher.encode([text(1, length=30)], RequestOptions()))
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
    batcher = make_batcher(session, queue=queue, limits=Limits(1, 64))
    running = asyncio.create_task(batcher.encode([text(0)], RequestOptions()))
    await session.begun.get()
    patient = asyncio.create_task(batcher.encode([text(1)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    start_tag = queue.virtual_time
    queue.virtual_time += done
    hurried = asyncio.create_task(batcher.encode([text(2)], RequestOptions(deadline=time.monotonic() + 15)))
    await asyncio.sleep(0)  # let it enter the queue
    assert queue.virtual_time - start_tag == done
    session.open()
    assert await session.begun.get() == [first]
    await asyncio.gather(running, patient, hurried)
    batcher.close()


async def test_a_failed_batch_fails_exactly_its_own_requests(
    session: FakeSession, batcher: Batcher, metrics: PrometheusMetrics
) -> None:
    """The requests in a batch that the model fails on get the error, all others their vectors, and the loop goes on."""
    before = asyncio.create_task(batcher.encode([text(1)], RequestOptions()))
    await session.begun.get()
    poisoned = asyncio.create_task(batcher.encode([text(POISON), text(2, length=60)], RequestOptions()))
    sharing = asyncio.create_task(batcher.encode([text(3)], RequestOptions()))
    apart = asyncio.create_task(batcher.encode([text(4, length=30)], RequestOptions()))
    await asyncio.sleep(0)  # let them enter the queue
    session.open()
    for task in (poisoned, sharing):
        with pytest.raises(InferenceFailed, match="out of luck"):
            await task
    assert (await before).embeddings.tolist() == [[1, 10]]
    assert (await apart).embeddings.tolist() == [[4, 30]]
    assert (await batcher.encode([text(5)], RequestOptions())).embeddings.tolist() == [[5, 10]]
    assert _count(metrics, "emberline_texts_total", outcome="failed") == 2


async def test_the_rest_of_a_failed_request_is_not_encoded(session: FakeSession, batcher: Batcher) -> None:
    """Texts of a failed request that are still in the queue leave it."""
    task = asyncio.create_task(
        batcher.encode([text(POISON), *(text(number, 60) for number in range(5))], RequestOptions())
    )
    assert await session.begun.get() == [POISON]
    session.open()
    with pytest.raises(InferenceFailed):
        await task
    await batcher.encode([text(100)], RequestOptions())
    begun = [session.begun.get_nowait() for _ in range(session.begun.qsize())]
    assert len(begun) <= 2  # the one that had begun when the failure became known, and the last request's


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda ids: np.full((len(ids), WIDTH), np.nan, np.float32), id="not finite"),
        pytest.param(lambda ids: np.array([[1.0, np.inf]] * len(ids), np.float32), id="one number not finite"),
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
        await batcher.encode([text(1)], RequestOptions())


async def test_a_cancelled_request_costs_nothing(
    session: FakeSession, batcher: Batcher, metrics: PrometheusMetrics
) -> None:
    """A request whose client has gone is dropped before it is encoded."""
    first = asyncio.create_task(batcher.encode([text(0)], RequestOptions()))
    await session.begun.get()
    gone = asyncio.create_task(batcher.encode([text(1), text(2)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    session.open()
    await first
    await batcher.encode([text(3)], RequestOptions())
    assert await session.begun.get() == [3]
    assert _count(metrics, "emberline_texts_total", outcome="dropped") == 2


async def test_a_request_past_its_deadline_costs_nothing(session: FakeSession, batcher: Batcher) -> None:
    """When the deadline passes in the queue, the request fails then and is never encoded."""
    first = asyncio.create_task(batcher.encode([text(0)], RequestOptions()))
    await session.begun.get()
    with pytest.raises(DeadlineExceeded, match="in the queue"):
        await batcher.encode([text(1)], RequestOptions(deadline=time.monotonic() + 0.001))
    session.open()
    await first
    await batcher.encode([text(3)], RequestOptions())
    assert await session.begun.get() == [3]


async def test_the_same_text_in_the_queue_is_encoded_once(
    session: FakeSession, batcher: Batcher, metrics: PrometheusMetrics
) -> None:
    """Two requests for one text cost one encoding, and both get its vector."""
    first = asyncio.create_task(batcher.encode([text(0)], RequestOptions()))
    await session.begun.get()
    tasks = [asyncio.create_task(batcher.encode([text(7)], RequestOptions())) for _ in range(2)]
    await asyncio.sleep(0)  # let them enter the queue
    session.open()
    assert await session.begun.get() == [7]
    assert [(await task).embeddings.tolist() for task in tasks] == [[[7, 10]]] * 2
    await first
    assert _count(metrics, "emberline_texts_total", outcome="shared") == 1
    assert _count(metrics, "emberline_texts_total", outcome="encoded") == 2


async def test_a_full_queue_refuses_and_then_accepts_again(session: FakeSession) -> None:
    """Beyond its limit the queue rejects a request at once; when there is room, it accepts the same request."""
    batcher = make_batcher(session, queue=RequestQueue(30, seconds_per_token=0.001), limits=Limits(1, 64))
    running = asyncio.create_task(batcher.encode([text(0)], RequestOptions()))
    await session.begun.get()
    waiting = asyncio.create_task(batcher.encode([text(1), text(2)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    with pytest.raises(Overloaded):
        await batcher.encode([text(3), text(4)], RequestOptions())
    session.open()
    await asyncio.gather(running, waiting)
    await batcher.encode([text(3), text(4)], RequestOptions())
    batcher.close()


async def test_requests_that_arrive_together_are_planned_together(session: FakeSession, batcher: Batcher) -> None:
    """The first of several requests that arrive at once does not go ahead alone."""
    session.open()
    await asyncio.gather(*(batcher.encode([text(number)], RequestOptions()) for number in range(4)))
    assert sorted(await session.begun.get()) == [0, 1, 2, 3]


async def test_a_text_that_was_encoded_is_not_encoded_again(session: FakeSession, metrics: PrometheusMetrics) -> None:
    """Known texts of a request come from the cache, the others from the encoder, each in its row."""
    batcher = make_batcher(session, cache=VectorCache(10_000), metrics=metrics)
    session.open()
    await batcher.encode([text(1), text(2, 20)], RequestOptions())
    mixed = await batcher.encode([text(2, 20), text(3), text(1)], RequestOptions())
    assert mixed.embeddings.tolist() == [[2, 20], [3, 10], [1, 10]]
    assert mixed.encode > 0
    known = await batcher.encode([text(3), text(1)], RequestOptions())
    assert known.embeddings.tolist() == [[3, 10], [1, 10]]
    assert (known.queue, known.encode) == (0, 0)
    numbers = [number for _ in range(session.begun.qsize()) for number in session.begun.get_nowait()]
    assert sorted(numbers) == [1, 2, 3]
    assert _count(metrics, "emberline_texts_total", outcome="cached") == 4
    batcher.close()


async def test_a_failed_text_is_not_cached(session: FakeSession, metrics: PrometheusMetrics) -> None:
    """A text whose batch failed is encoded when it comes again."""
    batcher = make_batcher(session, limits=Limits(1, 64), cache=VectorCache(10_000), metrics=metrics)
    session.open()
    for _ in range(2):
        with pytest.raises(InferenceFailed):
            await batcher.encode([text(POISON)], RequestOptions())
    assert session.begun.qsize() == 2
    batcher.close()


async def test_padding_and_tokens_are_counted(
    session: FakeSession, batcher: Batcher, metrics: PrometheusMetrics
) -> None:
    """The metrics tell the encoder's useful tokens from its padding."""
    session.open()
    await batcher.encode([text(0, 10), text(1, 8), text(2, 40)], RequestOptions())
    assert _count(metrics, "emberline_tokens_total", kind="real") == 58
    assert _count(metrics, "emberline_tokens_total", kind="padding") == 2
    assert _count(metrics, "emberline_batch_texts_count") == 2


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError("no room"), OSError("gone"), InferenceFailed("no")])
async def test_whatever_a_runtime_raises_fails_its_requests_alone(
    session: FakeSession, batcher: Batcher, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """An error of any kind reaches the batch's requests as a failed inference, and the batcher serves the next one."""

    def run(ids: Integers, _: Integers) -> Floats:
        raise error

    with monkeypatch.context() as failing:
        failing.setattr(session, "run", run)
        with pytest.raises(InferenceFailed, match=str(error)):
            await batcher.encode([text(1)], RequestOptions(deadline=time.monotonic() + 10))
    session.open()
    assert (await batcher.encode([text(2)], RequestOptions())).embeddings.tolist() == [[2, 10]]


async def test_each_text_of_a_batch_is_cached_with_its_own_vector(session: FakeSession) -> None:
    """Texts that were encoded in one batch are found again, each with its own vector."""
    batcher = make_batcher(session, cache=VectorCache(10_000))
    session.open()
    numbers = [4, 5, 6]
    await batcher.encode([text(number) for number in numbers], RequestOptions())
    assert await session.begun.get() == numbers
    known = await batcher.encode([text(number) for number in numbers], RequestOptions())
    assert known.embeddings[:, 0].tolist() == numbers
    assert session.begun.empty()
    batcher.close()


@pytest.mark.parametrize(("texts", "first"), [(100, 100), (200, 128)])
async def test_so_many_texts_are_planned_at_a_time(session: FakeSession, texts: int, first: int) -> None:
    """Texts of one length fill a batch as far as the window of 128 reaches."""
    batcher = make_batcher(session, limits=Limits(1000, 100_000))
    pending = asyncio.create_task(batcher.encode([text(number + 20) for number in range(texts)], RequestOptions()))
    assert len(await session.begun.get()) == first
    session.open()
    await pending
    batcher.close()


@pytest.mark.parametrize(("seconds", "first"), [(600.0, 1), (60.0, 2)])
async def test_only_a_deadline_in_danger_overtakes(session: FakeSession, seconds: float, first: int) -> None:
    """A text overtakes others if they would take until its deadline at the present speed, and not otherwise."""
    queue = RequestQueue(10_000, seconds_per_token=10.0)  # two texts of ten tokens take 200 seconds
    batcher = make_batcher(session, queue=queue, limits=Limits(1, 64))
    running = asyncio.create_task(batcher.encode([text(0)], RequestOptions()))
    await session.begun.get()
    queue.seconds_per_token = 10.0
    patient = asyncio.create_task(batcher.encode([text(1)], RequestOptions()))
    hurried = asyncio.create_task(batcher.encode([text(2)], RequestOptions(deadline=time.monotonic() + seconds)))
    await asyncio.sleep(0)  # let them enter the queue
    session.open()
    assert await session.begun.get() == [first]
    await asyncio.gather(running, patient, hurried)
    batcher.close()


async def test_a_text_that_is_late_when_its_turn_comes_is_counted(
    session: FakeSession, metrics: PrometheusMetrics
) -> None:
    """A loop that was held up past a deadline drops the text before it is encoded, and counts it once."""
    batcher = make_batcher(session, metrics=metrics)
    late = asyncio.create_task(batcher.encode([text(1)], RequestOptions(deadline=time.monotonic() + 0.01)))
    await asyncio.sleep(0)  # let it enter the queue
    time.sleep(0.02)  # the loop is to be held up
    with pytest.raises(DeadlineExceeded):
        await late
    assert session.begun.empty()
    assert _count(metrics, "emberline_texts_total", outcome="dropped") == 1
    batcher.close()


async def test_a_full_queue_is_told_before_any_work(session: FakeSession) -> None:
    """Whether there is room is known without a text; it is refused as a request would be."""
    batcher = make_batcher(session, queue=RequestQueue(10, seconds_per_token=0.001))
    batcher.check_room()
    running = asyncio.create_task(batcher.encode([text(0)], RequestOptions()))
    await session.begun.get()
    waiting = asyncio.create_task(batcher.encode([text(1)], RequestOptions()))
    await asyncio.sleep(0)  # let it enter the queue
    with pytest.raises(Overloaded):
        batcher.check_room()
    session.open()
    await asyncio.gather(running, waiting)
    batcher.close()


async def test_closing_waits_for_the_batch_that_runs(session: FakeSession) -> None:
    """When the batcher has closed, no thread of its own runs any more."""
    batcher = make_batcher(session)
    running = asyncio.create_task(batcher.encode([text(0)], RequestOptions()))
    await session.begun.get()
    closing = asyncio.create_task(asyncio.to_thread(batcher.close))
    await asyncio.wait({closing}, timeout=0.05)
    assert not closing.done()
    session.open()
    await closing
    await running
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batcher")]


@pytest.mark.parametrize("workers", [1, 2])
async def test_times_and_speed_are_those_of_the_clock(
    session: FakeSession, metrics: PrometheusMetrics, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """A batch of three seconds is told as such, and the queue's speed moves a tenth of the way to the batch's."""
    now = 100.0

    def run(ids: Integers, mask: Integers) -> Floats:
        nonlocal now
        now += 3.0
        return FakeSession.vectors(ids, mask)

    def later(_: int) -> None:
        nonlocal now
        now += 0.5

    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    monkeypatch.setattr(session, "run", run)
    queue = RequestQueue(10_000, seconds_per_token=0.001)
    monkeypatch.setattr(metrics, "shared", later)  # between the arrival and the batch
    costs = CostModel(100.0, 1.0, 0.0)  # a call is so dear that both texts share one
    batcher = make_batcher(session, queue=queue, costs=costs, metrics=metrics, workers=workers)
    texts = [text(1, 20)] if workers == 2 else [text(1, 20), text(2, 10)]
    encoded = await batcher.encode(texts, RequestOptions())
    assert (encoded.queue, encoded.encode) == (0.5, 3.0)
    padded = 20 * len(texts)
    assert queue.seconds_per_token == pytest.approx(0.001 + 0.1 * (3.0 / padded / workers - 0.001))
    assert _count(metrics, "emberline_batch_seconds_sum") == 3.0
    batcher.close()
