import asyncio
from collections.abc import Sequence

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


def _ticket(texts: int, priority: int = 0, deadline: float | None = None) -> PendingRequest:
    return PendingRequest(texts, WIDTH, RequestOptions(deadline, priority), now=0.0)


def _put(backlog: RequestQueue, numbers: Sequence[int], **terms: int) -> PendingRequest:
    entered = _ticket(len(numbers), **terms)
    backlog.put(entered, {row: _text(number) for row, number in enumerate(numbers)})
    return entered


def _numbers(entries: Sequence[QueuedText]) -> list[int]:
    return [int(entry.encoding.ids[0]) for entry in entries]


async def test_texts_come_out_in_the_order_in_which_they_came() -> None:
    """With nobody else in line, a request's texts have their turns in its own order."""
    backlog = RequestQueue(1000, pace=0.001)
    _put(backlog, [3, 1, 2])
    assert _numbers(backlog.window(10, now=0.0)[0]) == [3, 1, 2]


async def test_a_request_is_refused_whole_when_it_does_not_fit() -> None:
    """A refused request leaves nothing in line and is told when to come back."""
    backlog = RequestQueue(100, pace=0.01)
    _put(backlog, range(8))
    with pytest.raises(Overloaded, match="80 tokens are waiting and the limit is 100") as refusal:
        _put(backlog, range(10, 15))
    assert refusal.value.retry_after == pytest.approx(0.3)  # 30 tokens too many, at 0.01 s each
    assert backlog.waiting == 80
    assert len(backlog) == 8


async def test_an_empty_line_takes_what_would_never_fit_otherwise() -> None:
    """A request larger than the limit is served when nothing else waits, instead of being refused for ever."""
    backlog = RequestQueue(100, pace=0.01)
    _put(backlog, range(20))
    assert backlog.waiting == 200


async def test_the_same_text_is_in_line_once() -> None:
    """Requests that ask for the same text share an entry, and the line is no longer for it."""
    backlog = RequestQueue(1000, pace=0.001)
    first = _put(backlog, [1, 2, 1])
    second = _ticket(2)
    assert backlog.put(second, {0: _text(2), 1: _text(3)}) == 1
    assert backlog.waiting == 30
    (_, shared, _), _ = backlog.window(10, now=0.0)
    assert shared.claims == [(first, 1), (second, 0)]


async def test_a_shared_text_stays_for_the_other_request() -> None:
    """When one of two requests gives up, the text that they share stays in line for the other."""
    backlog = RequestQueue(1000, pace=0.001)
    first, second = _put(backlog, [1, 2]), _put(backlog, [2, 3])
    assert backlog.drop(first) == 1
    assert _numbers(backlog.window(10, now=0.0)[0]) == [2, 3]
    assert backlog.drop(second) == 2
    assert backlog.waiting == len(backlog) == 0


async def test_a_short_request_is_not_held_up_by_a_long_one() -> None:
    """A request of one text overtakes all but the first of a hundred that came before it."""
    backlog = RequestQueue(10_000, pace=0.001)
    _put(backlog, range(100))
    backlog.take(backlog.window(3, now=0.0)[0])
    _put(backlog, [777])
    assert 777 in _numbers(backlog.window(2, now=0.0)[0])


async def test_a_long_request_is_not_starved_by_short_ones() -> None:
    """Though a short request arrives before every turn, the long one's texts all come out in the end."""
    backlog = RequestQueue(10_000, pace=0.001)
    long = _put(backlog, range(20))
    served: list[int] = []
    for newcomer in range(1000, 1200):
        _put(backlog, [newcomer])
        entries, _ = backlog.window(1, now=0.0)
        backlog.take(entries)
        served += _numbers(entries)
    assert not long.entries
    assert served.index(19) < 100  # it has a quarter of the machine for sure: 20 texts within 80 turns


async def test_priority_is_a_head_start() -> None:
    """A higher priority overtakes what waits, and a lower one lets newcomers overtake."""
    backlog = RequestQueue(10_000, pace=0.001)
    _put(backlog, [1], priority=-1)
    _put(backlog, [2])
    _put(backlog, [3], priority=1)
    assert _numbers(backlog.window(10, now=0.0)[0]) == [3, 2, 1]


async def test_a_low_priority_is_not_starved_by_a_higher_one() -> None:
    """The head start is bounded: after some work the low priority has its turn though higher ones keep coming."""
    backlog = RequestQueue(1_000_000, pace=0.001)
    low = _ticket(1, priority=-8)
    backlog.put(low, {0: _text(0)})
    for newcomer in range(1, 600):
        entered = _ticket(1, priority=7)
        backlog.put(entered, {0: _text(newcomer, length=128)})
        backlog.take(backlog.window(1, now=0.0)[0])
    assert not low.entries


async def test_a_shared_text_has_the_best_of_its_turns() -> None:
    """A text that waits with low priority moves up when somebody of higher priority asks for it too."""
    backlog = RequestQueue(1000, pace=0.001)
    _put(backlog, [1], priority=-1)
    _put(backlog, [2])
    _put(backlog, [1], priority=1)
    assert _numbers(backlog.window(10, now=0.0)[0]) == [1, 2]
    assert backlog.waiting == 20


async def test_what_is_past_its_deadline_leaves_the_line() -> None:
    """Texts that nobody waits for any more are not handed out, and make room for what is behind them."""
    backlog = RequestQueue(1000, pace=0.001)
    late, timely = _ticket(2, deadline=5.0), _ticket(1, deadline=9.0)
    backlog.put(late, {0: _text(1), 1: _text(2)})
    backlog.put(timely, {0: _text(3)})
    entries, dropped = backlog.window(3, now=6.0)
    assert (_numbers(entries), dropped) == ([3], 2)
    assert backlog.waiting == 10


async def test_a_shared_text_waits_for_the_last_deadline() -> None:
    """A text is worth encoding as long as one of those who asked for it still waits."""
    backlog = RequestQueue(1000, pace=0.001)
    for deadline in (5.0, None):
        backlog.put(_ticket(1, deadline=deadline), {0: _text(1)})
    assert _numbers(backlog.window(1, now=6.0)[0]) == [1]


@pytest.mark.parametrize("deadlines", [(5.0, 9.0), (9.0, 5.0), (5.0, 9.0, 7.0)])
async def test_of_several_deadlines_the_latest_counts(deadlines: Sequence[float]) -> None:
    """A shared text stays in line until the last of its waiters gives up, in whatever order they came."""
    backlog = RequestQueue(1000, pace=0.001)
    tickets = [_ticket(1, deadline=deadline) for deadline in deadlines]
    for ticket in tickets:
        backlog.put(ticket, {0: _text(1)})
    (entry,), late = backlog.window(1, now=8.9)
    assert (entry.deadline, late) == (9.0, 0)
    backlog.drop(tickets[deadlines.index(9.0)])
    assert entry.deadline == max(deadline for deadline in deadlines if deadline != 9.0)


async def test_a_text_that_somebody_waits_for_without_end_has_no_deadline() -> None:
    """Who sets no deadline keeps a shared text in line; once they give up, the others' deadline counts again."""
    backlog = RequestQueue(1000, pace=0.001)
    patient, hurried = _ticket(1), _ticket(1, deadline=5.0)
    for ticket in (hurried, patient):
        backlog.put(ticket, {0: _text(1)})
    (entry,), _ = backlog.window(1, now=0.0)
    assert entry.deadline is None
    backlog.drop(patient)
    assert entry.deadline == 5.0


async def test_a_deadline_is_over_when_it_is_reached() -> None:
    """At the deadline itself nobody waits any more; just before it somebody does."""
    backlog = RequestQueue(1000, pace=0.001)
    backlog.put(_ticket(1, deadline=5.0), {0: _text(1)})
    assert _numbers(backlog.window(1, now=4.999)[0]) == [1]
    assert backlog.window(1, now=5.0) == ([], 1)


async def test_a_ticket_is_done_with_its_last_vector() -> None:
    """Vectors go to their rows in whatever order they come, and the times span all batches."""
    waiting = _ticket(2)
    waiting.deliver(1, np.array([3, 4], np.float32), 2.0, 3.0)
    assert not waiting.done.done()
    waiting.deliver(0, np.array([1, 2], np.float32), 1.0, 2.0)
    assert waiting.done.done()
    assert waiting.vectors.tolist() == [[1, 2], [3, 4]]
    assert (waiting.started, waiting.finished) == (1.0, 3.0)


@settings(max_examples=60)
@given(st.data())
def test_the_line_never_loses_count(data: st.DataObject) -> None:
    """Whatever is put, taken and dropped: each text comes out once, and the waiting tokens are those in line."""

    async def play() -> None:
        backlog = RequestQueue(400, pace=0.001)
        tickets: list[PendingRequest] = []
        for _ in range(data.draw(st.integers(1, 20))):
            match data.draw(st.sampled_from(["put", "take", "drop"])):
                case "put":
                    wanted = data.draw(st.lists(st.integers(0, 15), min_size=1, max_size=10))
                    entered = _ticket(len(wanted), priority=data.draw(st.integers(-2, 2)))
                    before = backlog.waiting
                    try:
                        backlog.put(entered, {row: _text(number, 1 + number) for row, number in enumerate(wanted)})
                        tickets.append(entered)
                    except Overloaded:
                        assert before == backlog.waiting
                        assert not entered.entries
                case "take":
                    entries, _ = backlog.window(data.draw(st.integers(1, 5)), now=0.0)
                    backlog.take(entries)
                    assert all(entry not in one.entries for entry in entries for one in tickets)
                case "drop" if tickets:
                    backlog.drop(tickets.pop(data.draw(st.integers(0, len(tickets) - 1))))
            line, _ = backlog.window(1000, now=0.0)
            assert sum(map(len, line)) == backlog.waiting
            assert len(set(_numbers(line))) == len(line) == len(backlog)
            assert [entry.place for entry in line] == sorted(entry.place for entry in line)
            assert {entry for one in tickets for entry in one.entries} == set(line)

    asyncio.run(play())
