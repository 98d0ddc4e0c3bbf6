import asyncio
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberline.engine.batching.pending import PendingRequest, QueuedText
from emberline.engine.batching.queue import RequestQueue
from emberline.engine.errors import Overloaded
from emberline.engine.records import Encoding, RequestOptions

WIDTH = 2


def _text(number: int, length: int = 10) -> Encoding:
    return Encoding(np.full(length, number, np.int64), truncated=False)


def _pending(texts: int, priority: int = 0, deadline: float | None = None) -> PendingRequest:
    return PendingRequest(texts, WIDTH, RequestOptions(deadline, priority), now=0.0)


def _put(queue: RequestQueue, numbers: Sequence[int], **options: int) -> PendingRequest:
    pending = _pending(len(numbers), **options)
    queue.put(pending, {row: _text(number) for row, number in enumerate(numbers)})
    return pending


def _numbers(texts: Sequence[QueuedText]) -> list[int]:
    return [int(text.encoding.ids[0]) for text in texts]


async def test_texts_come_out_in_the_order_in_which_they_came() -> None:
    """With no other request in the queue, a request's texts come out in its own order."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    _put(queue, [3, 1, 2])
    assert _numbers(queue.window(10, now=0.0)[0]) == [3, 1, 2]


async def test_the_queue_can_be_filled_to_its_limit() -> None:
    """What fits exactly is taken; a token more is refused, and so is any work that looks for room then."""
    queue = RequestQueue(100, seconds_per_token=0.01)
    _put(queue, range(8))
    with pytest.raises(Overloaded):
        queue.put(_pending(1), {0: _text(8, length=21)})
    queue.check_room(20)
    queue.put(_pending(1), {0: _text(8, length=20)})
    assert queue.waiting == queue.limit == 100
    with pytest.raises(Overloaded):
        queue.check_room()


async def test_nobody_is_told_to_come_back_at_once() -> None:
    """However fast the encoder is, the hint leaves it a hundredth of a second."""
    queue = RequestQueue(10, seconds_per_token=1e-9)
    _put(queue, [1])
    with pytest.raises(Overloaded) as refusal:
        _put(queue, [2])
    assert refusal.value.retry_after == 0.01


async def test_a_request_is_refused_whole_when_it_does_not_fit() -> None:
    """A rejected request leaves nothing in the queue, and the error says when to retry."""
    queue = RequestQueue(100, seconds_per_token=0.01)
    _put(queue, range(8))
    with pytest.raises(Overloaded, match="80 tokens are waiting and the limit is 100") as refusal:
        _put(queue, range(10, 15))
    assert refusal.value.retry_after == pytest.approx(0.8)  # 80 tokens are waiting, at 0.01 s each
    assert queue.waiting == 80
    assert len(queue) == 8


async def test_an_empty_queue_accepts_a_request_above_the_limit() -> None:
    """A request larger than the limit is served when nothing else waits, instead of being rejected for ever."""
    queue = RequestQueue(100, seconds_per_token=0.01)
    _put(queue, range(20))
    assert queue.waiting == 200


async def test_the_same_text_is_in_the_queue_once() -> None:
    """Requests that ask for the same text share one queued text, which counts once."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    first = _put(queue, [1, 2, 1])
    second = _pending(2)
    assert queue.put(second, {0: _text(2), 1: _text(3)}) == 1
    assert queue.waiting == 30
    (_, shared, _), _ = queue.window(10, now=0.0)
    assert shared.waiters == [(first, 1), (second, 0)]


async def test_a_shared_text_stays_for_the_other_request() -> None:
    """When one of two requests gives up, the text that they share stays in the queue for the other."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    first, second = _put(queue, [1, 2]), _put(queue, [2, 3])
    assert queue.drop(first) == 1
    assert _numbers(queue.window(10, now=0.0)[0]) == [2, 3]
    assert queue.drop(second) == 2
    assert queue.waiting == len(queue) == 0


async def test_a_short_request_is_not_held_up_by_a_long_one() -> None:
    """A request of one text overtakes all but the first of a hundred that came before it."""
    queue = RequestQueue(10_000, seconds_per_token=0.001)
    _put(queue, range(100))
    queue.take(queue.window(3, now=0.0)[0])
    _put(queue, [777])
    assert 777 in _numbers(queue.window(2, now=0.0)[0])


async def test_a_long_request_is_not_starved_by_short_ones() -> None:
    """Though a short request arrives before every batch, the long one's texts all come out in the end."""
    queue = RequestQueue(10_000, seconds_per_token=0.001)
    long = _put(queue, range(20))
    served: list[int] = []
    for newcomer in range(1000, 1200):
        _put(queue, [newcomer])
        texts, _ = queue.window(1, now=0.0)
        queue.take(texts)
        served += _numbers(texts)
    assert not long.queued
    assert served.index(19) < 100  # it is guaranteed a quarter of the machine: 20 texts within 80 batches


async def test_a_long_request_has_a_quarter_of_the_machine() -> None:
    """Beside one that always has another text to encode, every fourth text is the long request's."""
    queue = RequestQueue(100_000, seconds_per_token=0.001)
    _put(queue, range(100))
    served: list[int] = []
    newcomer = 1000
    _put(queue, [newcomer])
    while len(served) < 200:
        (text,), _ = queue.window(1, now=0.0)
        queue.take([text])
        served += _numbers([text])
        if served[-1] == newcomer:
            newcomer += 1
            _put(queue, [newcomer])
    own = [place for place, number in enumerate(served) if number < 100]
    assert len(own) == 50
    assert {later - earlier for earlier, later in pairwise(own)} == {4}


@pytest.mark.parametrize(("done", "first"), [(0, 2), (4095, 2), (4097, 1), (20_000, 1)])
async def test_a_level_of_priority_is_worth_4096_tokens_of_work(done: int, first: int) -> None:
    """So long a text of lower priority yields to those that come, and no longer."""
    queue = RequestQueue(10_000, seconds_per_token=0.001)
    _put(queue, [1], priority=2)
    queue.virtual_time = done
    _put(queue, [2], priority=3)
    assert _numbers(queue.window(1, now=0.0)[0]) == [first]


async def test_asking_again_does_not_move_a_text_back() -> None:
    """A text that is asked for a second time keeps its place before those that came between."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    for number in (1, 2, 1):
        _put(queue, [number])
    assert _numbers(queue.window(10, now=0.0)[0]) == [1, 2]


async def test_priority_is_a_head_start() -> None:
    """A higher priority overtakes what waits, and a lower one lets newcomers overtake."""
    queue = RequestQueue(10_000, seconds_per_token=0.001)
    _put(queue, [1], priority=-1)
    _put(queue, [2])
    _put(queue, [3], priority=1)
    assert _numbers(queue.window(10, now=0.0)[0]) == [3, 2, 1]


async def test_a_low_priority_is_not_starved_by_a_higher_one() -> None:
    """The head start is bounded: after some work the low priority comes first though higher ones keep coming."""
    queue = RequestQueue(1_000_000, seconds_per_token=0.001)
    low = _pending(1, priority=-8)
    queue.put(low, {0: _text(0)})
    for newcomer in range(1, 600):
        pending = _pending(1, priority=7)
        queue.put(pending, {0: _text(newcomer, length=128)})
        queue.take(queue.window(1, now=0.0)[0])
    assert not low.queued


async def test_a_shared_text_has_the_earliest_of_its_start_tags() -> None:
    """A text that waits with low priority moves up when a request of higher priority asks for it too."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    _put(queue, [1], priority=-1)
    _put(queue, [2])
    _put(queue, [1], priority=1)
    assert _numbers(queue.window(10, now=0.0)[0]) == [1, 2]
    assert queue.waiting == 20


async def test_a_text_past_its_deadline_leaves_the_queue() -> None:
    """Texts that no request waits for any more are not handed out, and make room for those behind them."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    late, timely = _pending(2, deadline=5.0), _pending(1, deadline=9.0)
    queue.put(late, {0: _text(1), 1: _text(2)})
    queue.put(timely, {0: _text(3)})
    texts, dropped = queue.window(3, now=6.0)
    assert (_numbers(texts), dropped) == ([3], 2)
    assert queue.waiting == 10
    assert not late.queued


async def test_all_that_is_past_its_deadline_is_counted() -> None:
    """A window that is smaller than the number of late texts before it drops and counts every one of them."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    for number in range(5):
        queue.put(_pending(1, deadline=5.0), {0: _text(number)})
    _put(queue, [9])
    texts, dropped = queue.window(2, now=6.0)
    assert (_numbers(texts), dropped) == ([9], 5)


async def test_a_shared_text_waits_for_the_last_deadline() -> None:
    """A text is encoded as long as one of its requests still waits."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    for deadline in (5.0, None):
        queue.put(_pending(1, deadline=deadline), {0: _text(1)})
    assert _numbers(queue.window(1, now=6.0)[0]) == [1]


@pytest.mark.parametrize("deadlines", [(5.0, 9.0), (9.0, 5.0), (5.0, 9.0, 7.0)])
async def test_of_several_deadlines_the_latest_counts(deadlines: Sequence[float]) -> None:
    """A shared text stays in the queue until the last of its waiters gives up, in whatever order they came."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    requests = [_pending(1, deadline=deadline) for deadline in deadlines]
    for pending in requests:
        queue.put(pending, {0: _text(1)})
    (text,), late = queue.window(1, now=8.9)
    assert (text.deadline, late) == (9.0, 0)
    queue.drop(requests[deadlines.index(9.0)])
    assert text.deadline == max(deadline for deadline in deadlines if deadline != 9.0)


async def test_a_text_that_one_request_waits_for_without_end_has_no_deadline() -> None:
    """A request without a deadline keeps a shared text in the queue; when it gives up, the other deadline counts."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    patient, hurried = _pending(1), _pending(1, deadline=5.0)
    for pending in (hurried, patient):
        queue.put(pending, {0: _text(1)})
    (text,), _ = queue.window(1, now=0.0)
    assert text.deadline is None
    queue.drop(patient)
    assert text.deadline == 5.0


async def test_a_deadline_is_over_when_it_is_reached() -> None:
    """At the deadline itself the request waits no more; just before it still does."""
    queue = RequestQueue(1000, seconds_per_token=0.001)
    queue.put(_pending(1, deadline=5.0), {0: _text(1)})
    assert _numbers(queue.window(1, now=4.999)[0]) == [1]
    assert queue.window(1, now=5.0) == ([], 1)


@pytest.mark.parametrize("times", [((1.0, 3.0), (2.0, 4.0)), ((2.0, 4.0), (1.0, 3.0)), ((1.0, 4.0), (2.0, 3.0))])
async def test_a_requests_times_span_its_batches(times: Sequence[tuple[float, float]]) -> None:
    """It began with the first of its batches and ended with the last, in whatever order they are delivered."""
    pending = _pending(2)
    for row, (started, finished) in enumerate(times):
        pending.deliver(row, np.zeros(WIDTH, np.float32), started, finished)
    assert (pending.started, pending.finished) == (1.0, 4.0)


async def test_a_request_is_done_with_its_last_vector() -> None:
    """Vectors go to their rows in whatever order they come, and the times span all batches."""
    waiting = _pending(2)
    waiting.deliver(1, np.array([3, 4], np.float32), 2.0, 3.0)
    assert not waiting.done.done()
    waiting.deliver(0, np.array([1, 2], np.float32), 1.0, 2.0)
    assert waiting.done.done()
    assert waiting.vectors.tolist() == [[1, 2], [3, 4]]
    assert (waiting.started, waiting.finished) == (1.0, 3.0)


@settings(max_examples=60)
@given(st.data())
def test_the_queue_never_loses_count(data: st.DataObject) -> None:
    """Whatever is put, taken and dropped: each text comes out once, and the waiting tokens are those in the queue."""

    async def play() -> None:
        queue = RequestQueue(400, seconds_per_token=0.001)
        requests: list[PendingRequest] = []
        for _ in range(data.draw(st.integers(1, 20))):
            match data.draw(st.sampled_from(["put", "take", "drop"])):
                case "put":
                    wanted = data.draw(st.lists(st.integers(0, 15), min_size=1, max_size=10))
                    pending = _pending(len(wanted), priority=data.draw(st.integers(-2, 2)))
                    before = queue.waiting
                    try:
                        queue.put(pending, {row: _text(number, 1 + number) for row, number in enumerate(wanted)})
                        requests.append(pending)
                    except Overloaded:
                        assert before == queue.waiting
                        assert not pending.queued
                case "take":
                    taken, _ = queue.window(data.draw(st.integers(1, 5)), now=0.0)
                    queue.take(taken)
                    assert all(text not in request.queued for text in taken for request in requests)
                case "drop" if requests:
                    queue.drop(requests.pop(data.draw(st.integers(0, len(requests) - 1))))
            texts, _ = queue.window(1000, now=0.0)
            assert sum(map(len, texts)) == queue.waiting
            assert len(set(_numbers(texts))) == len(texts) == len(queue)
            assert [text.position for text in texts] == sorted(text.position for text in texts)
            assert {text for request in requests for text in request.queued} == set(texts)

    asyncio.run(play())
