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


class FakeSession:
    """Gives each text its number and its length as its vector; stops before each batch until it is let go on."""

    device = "fake"

    def __init__(self) -> None:
        self.begun: asyncio.Queue[list[int]] = asyncio.Queue()  # the numbers of each batch
        self.gate = threading.Semaphore(0)
        self._loop = asyncio.get_running_loop()

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch."""
        self._loop.call_soon_threadsafe(self.begun.put_nowait, ids[:, 0].tolist())
        self.gate.acquire()
        if POISON in ids[:, 0]:
            raise RuntimeError("out of luck")
        return np.stack([ids[:, 0], mask.sum(axis=1)], axis=1).astype(np.float32)

    def open(self) -> None:
        """Let all batches go on."""
        self.gate.release(1000)


def _text(number: int, length: int = 10) -> Encoding:
    return Encoding(np.full(length, number, np.int64), truncated=False)


def _encoder(
    session: Session,
    backlog: RequestQueue | None = None,
    limits: Limits = LIMITS,
    costs: CostModel = COSTS,
    cache: VectorCache | None = None,
    metrics: Metrics | None = None,
    workers: int = 1,
    lone: Sequence[Session] = (),
    cores: int = 1,
) -> Batcher:
    return Batcher(
        session,
        RequestQueue(10_000, pace=0.001) if backlog is None else backlog,
        limits,
        costs,
        VectorCache(0) if cache is None else cache,
        metrics or Metrics(),
        hidden=WIDTH,
        workers=workers,
        lone=lone,
        cores=cores,
    )


@pytest.fixture
async def session() -> FakeSession:
    """A session that waits before each batch."""
    return FakeSession()


@pytest.fixture
def metrics() -> Metrics:
    """The encoder's counts."""
    return Metrics()


@pytest.fixture
async def encoder(session: FakeSession, metrics: Metrics) -> AsyncIterator[Batcher]:
    """An encoder of one worker with small batches."""
    encoder = _encoder(session, metrics=metrics)
    yield encoder
    session.open()
    encoder.close()


def _count(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_vectors_come_back_in_the_order_of_their_texts(session: FakeSession, encoder: Batcher) -> None:
    """However the texts are sorted and cut into batches, each row is its text's."""
    session.open()
    lengths = [5, 60, 7, 30, 5, 61, 8]
    vectors = await encoder.encode([_text(place, length) for place, length in enumerate(lengths)], RequestOptions())
    assert vectors.embeddings.tolist() == [[place, length] for place, length in enumerate(lengths)]
    assert vectors.queue >= 0
    assert vectors.encode > 0


async def test_requests_share_batches(session: FakeSession, encoder: Batcher) -> None:
    """Texts of different requests that wait together go through the encoder together."""
    first = asyncio.create_task(encoder.encode([_text(0)], RequestOptions()))
    assert await session.begun.get() == [0]
    others = [asyncio.create_task(encoder.encode([_text(number)], RequestOptions())) for number in (1, 2, 3)]
    await asyncio.sleep(0)  # let them get in line
    session.open()
    assert sorted(await session.begun.get()) == [1, 2, 3]
    for number, task in enumerate([first, *others]):
        assert (await task).embeddings.tolist() == [[number, 10]]


async def test_a_long_request_does_not_hold_up_a_short_one(session: FakeSession, encoder: Batcher) -> None:
    """A request of one text that comes after one of forty is answered long before it."""
    long = asyncio.create_task(encoder.encode([_text(number) for number in range(100, 140)], RequestOptions()))
    await session.begun.get()
    short = asyncio.create_task(encoder.encode([_text(1, length=30)], RequestOptions()))
    await asyncio.sleep(0)  # let it get in line
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
async def test_who_has_waited_long_enough_does_not_yield_to_deadlines(
    session: FakeSession, done: int, first: int
) -> None:
    """A text near its deadline overtakes others, but not those whose turn was 16,384 tokens of work ago."""
    backlog = RequestQueue(10_000, pace=1.0)  # at this pace any deadline here is in danger
    encoder = _encoder(session, backlog=backlog, limits=Limits(1, 64))
    running = asyncio.create_task(encoder.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    patient = asyncio.create_task(encoder.encode([_text(1)], RequestOptions()))
    await asyncio.sleep(0)  # let it get in line
    turn = backlog.clock
    backlog.clock += done
    hurried = asyncio.create_task(encoder.encode([_text(2)], RequestOptions(deadline=time.monotonic() + 15)))
    await asyncio.sleep(0)  # let it get in line
    assert backlog.clock - turn == done
    session.open()
    assert await session.begun.get() == [first]
    await asyncio.gather(running, patient, hurried)
    encoder.close()


async def test_a_failed_batch_fails_exactly_its_own_requests(
    session: FakeSession, encoder: Batcher, metrics: Metrics
) -> None:
    """The requests in a batch that the model fails on get the error, all others their vectors, and the loop goes on."""
    before = asyncio.create_task(encoder.encode([_text(1)], RequestOptions()))
    await session.begun.get()
    poisoned = asyncio.create_task(encoder.encode([_text(POISON), _text(2, length=60)], RequestOptions()))
    sharing = asyncio.create_task(encoder.encode([_text(3)], RequestOptions()))
    apart = asyncio.create_task(encoder.encode([_text(4, length=30)], RequestOptions()))
    await asyncio.sleep(0)  # let them get in line
    session.open()
    for task in (poisoned, sharing):
        with pytest.raises(InferenceFailed, match="out of luck"):
            await task
    assert (await before).embeddings.tolist() == [[1, 10]]
    assert (await apart).embeddings.tolist() == [[4, 30]]
    assert (await encoder.encode([_text(5)], RequestOptions())).embeddings.tolist() == [[5, 10]]
    assert _count(metrics, "emberline_texts_total", fate="failed") == 2


async def test_the_rest_of_a_failed_request_is_not_encoded(session: FakeSession, encoder: Batcher) -> None:
    """What is still in line of a request that has failed leaves the line."""
    task = asyncio.create_task(
        encoder.encode([_text(POISON), *(_text(number, 60) for number in range(5))], RequestOptions())
    )
    assert await session.begun.get() == [POISON]
    session.open()
    with pytest.raises(InferenceFailed):
        await task
    await encoder.encode([_text(100)], RequestOptions())
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
    encoder: Batcher,
    monkeypatch: pytest.MonkeyPatch,
    wrong: Callable[[Integers], NDArray[np.float32]],
) -> None:
    """A model that gives NaN or the wrong shape fails the batch, and nothing of it reaches a catalogue."""
    monkeypatch.setattr(session, "run", lambda ids, _: wrong(ids))
    with pytest.raises(InferenceFailed, match="it gave"):
        await encoder.encode([_text(1)], RequestOptions())


async def test_a_cancelled_request_costs_nothing(session: FakeSession, encoder: Batcher, metrics: Metrics) -> None:
    """A request whose client has gone is dropped before it is encoded."""
    first = asyncio.create_task(encoder.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    gone = asyncio.create_task(encoder.encode([_text(1), _text(2)], RequestOptions()))
    await asyncio.sleep(0)  # let it get in line
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    session.open()
    await first
    await encoder.encode([_text(3)], RequestOptions())
    assert await session.begun.get() == [3]
    assert _count(metrics, "emberline_texts_total", fate="dropped") == 2


async def test_a_request_past_its_deadline_costs_nothing(session: FakeSession, encoder: Batcher) -> None:
    """When the deadline passes in line, the request fails then and is never encoded."""
    first = asyncio.create_task(encoder.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    with pytest.raises(DeadlineExceeded, match="in line"):
        await encoder.encode([_text(1)], RequestOptions(deadline=time.monotonic() + 0.001))
    session.open()
    await first
    await encoder.encode([_text(3)], RequestOptions())
    assert await session.begun.get() == [3]


async def test_the_same_text_in_line_is_encoded_once(session: FakeSession, encoder: Batcher, metrics: Metrics) -> None:
    """Two requests for one text cost one encoding, and both get its vector."""
    first = asyncio.create_task(encoder.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    tasks = [asyncio.create_task(encoder.encode([_text(7)], RequestOptions())) for _ in range(2)]
    await asyncio.sleep(0)  # let them get in line
    session.open()
    assert await session.begun.get() == [7]
    assert [(await task).embeddings.tolist() for task in tasks] == [[[7, 10]]] * 2
    await first
    assert _count(metrics, "emberline_texts_total", fate="shared") == 1
    assert _count(metrics, "emberline_texts_total", fate="encoded") == 2


async def test_a_full_line_refuses_and_then_takes_again(session: FakeSession) -> None:
    """Beyond its limit the line refuses at once; once there is room it takes the same request."""
    encoder = _encoder(session, backlog=RequestQueue(30, pace=0.001), limits=Limits(1, 64))
    running = asyncio.create_task(encoder.encode([_text(0)], RequestOptions()))
    await session.begun.get()
    waiting = asyncio.create_task(encoder.encode([_text(1), _text(2)], RequestOptions()))
    await asyncio.sleep(0)  # let it get in line
    with pytest.raises(Overloaded):
        await encoder.encode([_text(3), _text(4)], RequestOptions())
    session.open()
    await asyncio.gather(running, waiting)
    await encoder.encode([_text(3), _text(4)], RequestOptions())
    encoder.close()


@pytest.fixture
async def lone() -> FakeSession:
    """A session for those who are alone."""
    return FakeSession()


@pytest.fixture
async def pair(session: FakeSession, lone: FakeSession) -> AsyncIterator[Batcher]:
    """An encoder of two workers, which gives both cores to a request that is alone."""
    encoder = _encoder(session, workers=2, lone=[lone], cores=2)
    yield encoder
    session.open()
    lone.open()
    encoder.close()


async def test_a_lone_text_gets_all_cores(session: FakeSession, lone: FakeSession, pair: Batcher) -> None:
    """One text that comes to an idle encoder has all cores; what waits meanwhile is then run a batch a core."""
    alone = asyncio.create_task(pair.encode([_text(0)], RequestOptions()))
    assert await lone.begun.get() == [0]
    others = [asyncio.create_task(pair.encode([_text(number)], RequestOptions())) for number in (1, 2)]
    await asyncio.sleep(0)  # let them get in line
    assert session.begun.empty()  # the cores are busy
    lone.gate.release()
    await alone
    assert sorted([await session.begun.get(), await session.begun.get()]) == [[1], [2]]
    session.open()
    await asyncio.gather(*others)


async def test_after_company_it_takes_a_while_to_be_alone(
    session: FakeSession, lone: FakeSession, pair: Batcher
) -> None:
    """Callers who take turns keep a core each; only after some requests in a row were alone has one all cores."""
    session.open()
    await asyncio.gather(*(pair.encode([_text(number)], RequestOptions()) for number in (1, 2)))
    for number in range(3, 6):
        await pair.encode([_text(number)], RequestOptions())
    assert lone.begun.empty()
    lone.open()
    await pair.encode([_text(7)], RequestOptions())
    assert await lone.begun.get() == [7]


async def test_only_where_it_is_quiet_a_batch_holds_the_event_loop_up(session: FakeSession) -> None:
    """A short batch runs on the loop's own thread once many requests in a row were alone, and on a worker's before."""
    threads: list[int] = []

    class Lone(FakeSession):
        def run(self, ids: Integers, mask: Integers) -> Floats:
            threads.append(threading.get_ident())
            return super().run(ids, mask)

    lone = Lone()
    lone.open()
    session.open()
    encoder = _encoder(session, costs=CostModel(0.001, 0.0, 0.0), workers=2, lone=[lone], cores=2)
    await encoder.encode([_text(0)], RequestOptions())
    await asyncio.gather(*(encoder.encode([_text(number)], RequestOptions()) for number in (1, 2)))
    for number in range(20, 50):
        await encoder.encode([_text(number)], RequestOptions())
    encoder.close()

    here = threading.get_ident()
    assert threads[0] == threads[-1] == here
    assert here not in threads[1:10]


async def test_the_rest_of_a_request_does_not_get_busy_cores(
    session: FakeSession, lone: FakeSession, pair: Batcher
) -> None:
    """One text left in line beside one that is still being encoded has a core, not both."""
    rest = asyncio.create_task(pair.encode([_text(number, length=64) for number in (1, 2, 3)], RequestOptions()))
    assert sorted([await session.begun.get(), await session.begun.get()]) == [[1], [2]]
    session.gate.release()
    async with asyncio.timeout(10):
        assert await session.begun.get() == [3]
    session.open()
    await rest
    assert lone.begun.empty()


async def test_who_comes_after_one_that_left_does_not_get_busy_cores(
    session: FakeSession, lone: FakeSession, pair: Batcher
) -> None:
    """A request may be the only one and yet not alone: the batches of one that gave up still run."""
    left = asyncio.create_task(pair.encode([_text(1), _text(2)], RequestOptions()))
    assert sorted([await session.begun.get(), await session.begun.get()]) == [[1], [2]]
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    only = asyncio.create_task(pair.encode([_text(3)], RequestOptions()))
    await asyncio.sleep(0)  # let it get in line
    session.gate.release()
    async with asyncio.timeout(10):
        assert await session.begun.get() == [3]
    session.open()
    await only
    assert lone.begun.empty()


async def test_several_texts_get_a_core_each(session: FakeSession, lone: FakeSession, pair: Batcher) -> None:
    """What could keep the cores busy by itself does not get them all for one batch, though the encoder is idle."""
    session.open()
    await pair.encode([_text(1), _text(2)], RequestOptions())
    assert lone.begun.empty()


@pytest.mark.parametrize("number", [1, POISON])
async def test_a_short_lone_batch_is_not_handed_over(session: FakeSession, lone: FakeSession, number: int) -> None:
    """It runs where the request came from, and is answered, or fails, as any other."""
    threads: list[threading.Thread] = []
    run = lone.run

    class Watched:
        device = "fake"

        def run(self, ids: Integers, mask: Integers) -> Floats:
            threads.append(threading.current_thread())
            return run(ids, mask)

    lone.open()
    costs = CostModel(1e-4, 1e-5, 0.0)
    encoder = _encoder(session, costs=costs, workers=2, lone=[Watched()], cores=2)
    work = encoder.encode([_text(number)], RequestOptions())
    if number == POISON:
        with pytest.raises(InferenceFailed, match="out of luck"):
            await work
    else:
        assert (await work).embeddings.tolist() == [[number, 10]]
    assert threads == [threading.current_thread()]
    encoder.close()


async def test_those_who_arrive_together_are_planned_together(session: FakeSession, encoder: Batcher) -> None:
    """The first of several requests that arrive at once does not go ahead alone."""
    session.open()
    await asyncio.gather(*(encoder.encode([_text(number)], RequestOptions()) for number in range(4)))
    assert sorted(await session.begun.get()) == [0, 1, 2, 3]


async def test_a_text_that_was_encoded_is_not_encoded_again(session: FakeSession, metrics: Metrics) -> None:
    """Known texts of a request come from the cache, the others from the encoder, each in its row."""
    encoder = _encoder(session, cache=VectorCache(10_000), metrics=metrics)
    session.open()
    await encoder.encode([_text(1), _text(2, 20)], RequestOptions())
    mixed = await encoder.encode([_text(2, 20), _text(3), _text(1)], RequestOptions())
    assert mixed.embeddings.tolist() == [[2, 20], [3, 10], [1, 10]]
    assert mixed.encode > 0
    known = await encoder.encode([_text(3), _text(1)], RequestOptions())
    assert known.embeddings.tolist() == [[3, 10], [1, 10]]
    assert (known.queue, known.encode) == (0, 0)
    numbers = [number for _ in range(session.begun.qsize()) for number in session.begun.get_nowait()]
    assert sorted(numbers) == [1, 2, 3]
    assert _count(metrics, "emberline_texts_total", fate="cached") == 4
    encoder.close()


async def test_what_failed_is_not_kept(session: FakeSession, metrics: Metrics) -> None:
    """A text whose batch failed is encoded when it comes again."""
    encoder = _encoder(session, limits=Limits(1, 64), cache=VectorCache(10_000), metrics=metrics)
    session.open()
    for _ in range(2):
        with pytest.raises(InferenceFailed):
            await encoder.encode([_text(POISON)], RequestOptions())
    assert session.begun.qsize() == 2
    encoder.close()


async def test_padding_and_tokens_are_counted(session: FakeSession, encoder: Batcher, metrics: Metrics) -> None:
    """The metrics tell the encoder's useful tokens from its padding."""
    session.open()
    await encoder.encode([_text(0, 10), _text(1, 8), _text(2, 40)], RequestOptions())
    assert _count(metrics, "emberline_tokens_total", kind="real") == 58
    assert _count(metrics, "emberline_tokens_total", kind="padding") == 2
    assert _count(metrics, "emberline_batch_texts_count") == 2
