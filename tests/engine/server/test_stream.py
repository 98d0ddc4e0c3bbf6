import asyncio

import pytest

from emberline.engine.errors import InvalidInput, Overloaded
from emberline.engine.server.stream import Stream, StreamIdle


class Channel:
    """The two ends of a stream of numbers, which answers them when it is told to."""

    def __init__(self, most: int = 3, idle_seconds: float = float("inf")) -> None:
        self.sent: asyncio.Queue[int | None] = asyncio.Queue()
        self.written: list[str] = []
        self.begun: list[int] = []
        self.finish: dict[int, asyncio.Future[str]] = {}
        self.ending = asyncio.Event()
        stream = Stream(self.sent.get, self.write, self.answer, "{}: {}".format, most, idle_seconds)
        self.run = asyncio.create_task(stream.run(self.ending))

    async def write(self, answer: str) -> None:
        """Take an answer."""
        self.written.append(answer)

    async def answer(self, number: int) -> str:
        """Answer when the test says so."""
        self.begun.append(number)
        self.finish[number] = asyncio.get_running_loop().create_future()
        return await self.finish[number]

    def send(self, *numbers: int | None) -> None:
        """Send requests; None is the end."""
        for number in numbers:
            self.sent.put_nowait(number)

    async def settle(self) -> None:
        """Let everything run that can, however many turns of the event loop it takes."""
        for _ in range(200):
            await asyncio.sleep(0)


async def test_answers_come_in_the_order_of_the_requests() -> None:
    """A request that is done early waits for those before it."""
    channel = Channel()
    channel.send(1, 2, None)
    await channel.settle()
    channel.finish[2].set_result("two")
    await channel.settle()
    assert channel.written == []
    channel.finish[1].set_result("one")
    await channel.run
    assert channel.written == ["one", "two"]


@pytest.mark.parametrize("most", [1, 2, 5])
async def test_the_requests_in_flight_are_bounded(most: int) -> None:
    """A sender that never stops does not fill the memory: no more is read until answers are taken."""
    channel = Channel(most=most)
    channel.send(*range(40), None)
    await channel.settle()
    bound = most + 2  # beside the queue, one whose answer is awaited and one that waits for room
    assert channel.begun == list(range(bound))
    assert channel.sent.qsize() == 41 - bound
    channel.finish[1].set_result("early")  # its answer waits for that before it
    await channel.settle()
    assert len(channel.begun) == bound
    channel.finish[0].set_result("first")
    await channel.settle()
    assert len(channel.begun) == bound + 2  # two answers were taken
    while not channel.run.done():
        for future in [answer for answer in channel.finish.values() if not answer.done()]:
            future.set_result("x")
        await channel.settle()
    assert len(channel.written) == 40


async def test_a_rejected_request_is_answered_and_the_stream_goes_on() -> None:
    """An error is the answer to its own request only, whatever it is."""
    channel = Channel()
    channel.send(1, 2, 3, None)
    await channel.settle()
    channel.finish[1].set_exception(InvalidInput("inputs", "is empty"))
    channel.finish[2].set_exception(RuntimeError("surprise"))
    channel.finish[3].set_result("three")
    await channel.run
    assert channel.written == ["1: inputs: is empty", "2: surprise", "three"]


async def test_a_stream_gives_way_to_itself() -> None:
    """A request that does not fit while its stream's earlier ones are in the queue is tried again after them."""
    channel = Channel()
    channel.send(1, 2, None)
    await channel.settle()
    channel.finish[2].set_exception(Overloaded(10, 5, 0.1))
    await channel.settle()
    channel.finish[1].set_result("one")
    await channel.settle()
    assert channel.begun == [1, 2, 2]
    channel.finish[2].set_result("two")
    await channel.run
    assert channel.written == ["one", "two"]


async def test_a_later_request_that_overtook_does_not_get_an_earlier_one_rejected() -> None:
    """What fills the line may be the stream's later request: the earlier one waits for that, too."""
    channel = Channel()
    channel.send(1, 2, 3, None)
    await channel.settle()
    channel.finish[2].set_exception(Overloaded(10, 5, 0.1))
    await channel.settle()
    channel.finish[1].set_result("one")
    await channel.settle()
    channel.finish[2].set_exception(Overloaded(10, 5, 0.1))  # 3 has taken the place that 1 left
    await channel.settle()
    assert channel.begun == [1, 2, 3, 2]  # it is not tried over and over meanwhile
    channel.finish[3].set_result("three")
    await channel.settle()
    assert channel.begun == [1, 2, 3, 2, 2]
    channel.finish[2].set_result("two")
    await channel.run
    assert channel.written == ["one", "two", "three"]


async def test_an_overload_by_others_is_answered() -> None:
    """A stream with no other request in the queue has nothing to wait for, and the client is told to retry."""
    channel = Channel()
    channel.send(1, None)
    await channel.settle()
    channel.finish[1].set_exception(Overloaded(10, 5, 0.1))
    await channel.run
    assert channel.written == ["1: 10 tokens are waiting and the limit is 5; retry after 0.10 s"]


async def test_what_was_read_is_answered_when_the_server_ends() -> None:
    """A drain reads no more, and answers what it has read."""
    channel = Channel()
    channel.send(1)
    await channel.settle()
    channel.ending.set()
    await channel.settle()
    channel.send(2)
    await channel.settle()
    assert not channel.run.done()
    channel.finish[1].set_result("one")
    await channel.run
    assert channel.written == ["one"]


async def test_what_comes_at_the_very_end_is_answered() -> None:
    """A request that is there at the moment when the server ends has been read, and is not lost."""
    channel = Channel()
    await channel.settle()
    channel.send(1)
    channel.ending.set()
    await channel.settle()
    channel.finish[1].set_result("one")
    await channel.run
    assert channel.written == ["one"]


async def test_a_cancelled_stream_cancels_its_requests() -> None:
    """When the client has gone, none of its stream's requests stays in flight."""
    channel = Channel()
    channel.send(1)
    await channel.settle()
    channel.run.cancel()
    await asyncio.wait({channel.run})
    assert channel.finish[1].cancelled()


async def test_a_stream_ends_when_it_is_idle_and_not_before() -> None:
    """Nothing to read for a while is idle, but not as long as a request is in flight; its answer is still written."""
    channel = Channel(idle_seconds=0.02)
    channel.send(1)
    await asyncio.wait({channel.run}, timeout=0.2)
    assert not channel.run.done()
    channel.finish[1].set_result("one")
    with pytest.raises(StreamIdle):
        await asyncio.wait_for(channel.run, 30)
    assert channel.written == ["one"]
