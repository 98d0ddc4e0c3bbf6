from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from emberline.bench.harness.loops import bulk_loop, closed_loop, dissecting_loop, open_loop, ping_loop, saturating_loop


class _Server:
    """Serves one text at a time, first come, first served; each takes as many seconds as its text says."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._busy = asyncio.Lock()

    async def encode(self, texts: Sequence[str]) -> Any:
        for text in texts:
            await self.serve(text)

    async def serve(self, text: str) -> Any:
        async with self._busy:
            self.seen.append(text)
            if text == "broken":
                raise ValueError("broken")
            await asyncio.sleep(float(text))

    async def bulk(self, texts: Sequence[str], order: str) -> Any:
        assert order == "sorted"
        await self.encode(texts)


def test_a_closed_loop_waits_for_each_answer(virtually):
    """Each request is sent when the one before has been answered, and its latency is its own."""
    latencies = virtually(lambda _: closed_loop(_Server(), [["1"], ["2", "3"], ["0.5"]]))
    assert latencies == pytest.approx([1.0, 5.0, 0.5])


def test_a_dissected_request_has_its_rest_outside(virtually):
    """Parts as the target names them, what its caller waited, and what of that the parts do not explain."""

    class Open:
        async def dissect(self, text: str) -> dict[str, float]:
            await asyncio.sleep(float(text) + 0.5)
            return {"encode": float(text)}

    found = virtually(lambda _: dissecting_loop(Open(), ["1", "2"]))
    assert found == [
        pytest.approx({"encode": 1.0, "outside": 0.5, "whole": 1.5}),
        pytest.approx({"encode": 2.0, "outside": 0.5, "whole": 2.5}),
    ]


def test_empty_calls_are_timed_one_by_one(virtually):
    """As many as were asked for."""

    class Far:
        async def ping(self) -> None:
            await asyncio.sleep(0.25)

    assert virtually(lambda _: ping_loop(Far(), 3)) == pytest.approx([0.25, 0.25, 0.25])


def test_bulk_is_timed_as_a_whole(virtually):
    """Offline time is from the first text in to the last vector out."""
    assert virtually(lambda _: bulk_loop(_Server(), ["1", "2"], "sorted")) == pytest.approx(3.0)


def test_saturation_counts_what_was_answered_within_the_window(virtually):
    """A server of ten answers a second gives ten a second, whatever is still waiting at the end."""
    latencies, window = virtually(lambda _: saturating_loop(_Server(), ["0.1"], callers=4, seconds=2.05))
    assert len(latencies) / window == pytest.approx(10.0, rel=0.01)


def test_saturation_knows_how_long_each_caller_waited(virtually):
    """Once all callers wait, each answer takes as long as all of them together need."""
    latencies, _ = virtually(lambda _: saturating_loop(_Server(), ["0.1"], callers=4, seconds=2.05))
    assert latencies[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert latencies[3:] == pytest.approx([0.4] * (len(latencies) - 3))


def test_saturation_waits_for_a_slow_server(virtually):
    """A server that answers nothing within the window is measured over a longer one instead of as zero."""
    latencies, window = virtually(lambda _: saturating_loop(_Server(), ["3"], callers=2, seconds=1.0))
    assert (latencies, window) == (pytest.approx([3.0, 6.0]), pytest.approx(6.0))


def test_open_loop_latency_counts_from_the_scheduled_arrival(virtually):
    """Requests that wait behind a slow one are charged for the wait."""
    found = virtually(lambda _: open_loop(_Server(), ["1", "0.1", "0.1"], [0.1, 0.2, 0.3]))
    assert found.latencies == pytest.approx([1.0, 1.0, 1.0])
    assert found.lags == pytest.approx([0.0, 0.0, 0.0])
    assert not found.stopped


def test_open_loop_omits_no_wait_that_the_generator_caused(virtually):
    """Where the generator itself is held up, the requests that it sends too late are charged for that too."""

    class Holder(_Server):
        def __init__(self, loop: Any) -> None:
            super().__init__()
            self._loop = loop

        async def serve(self, text: str) -> Any:
            self._loop.block(float(text))

    found = virtually(lambda loop: open_loop(Holder(loop), ["1", "0", "0"], [0.1, 0.2, 0.9]))
    assert found.latencies == pytest.approx([1.0, 0.9, 0.2])
    assert found.lags == pytest.approx([0.0, 0.9, 0.2])


def test_open_loop_sends_without_waiting_for_answers(virtually):
    """The load does not ease off because the server is slow."""
    server = _Server()

    async def parallel(_: Any) -> Any:
        server.serve = lambda text: asyncio.sleep(float(text))  # type: ignore[method-assign]  # no line to wait in
        return await open_loop(server, ["5"], [0.1, 0.2, 0.3])

    assert virtually(parallel).latencies == pytest.approx([5.0, 5.0, 5.0])


def test_a_request_that_fails_has_no_latency_and_harms_no_other(virtually):
    """Errors are counted by name; the requests before and after are answered."""
    found = virtually(lambda _: open_loop(_Server(), ["0.1", "broken", "0.2"], [1.0, 2.0, 3.0]))
    assert found.latencies == [pytest.approx(0.1), None, pytest.approx(0.2)]
    assert found.errors == {"ValueError": 1}


@pytest.mark.parametrize(("allowed", "stopped"), [(0.5, False), (0.25, True)])
def test_open_loop_stops_when_too_many_are_late(virtually, allowed, stopped):
    """It ends as soon as more answers are late than the bound forgives, and not one earlier."""
    arrivals = [1.0, 2.0, 3.0, 4.0]
    found = virtually(
        lambda _: open_loop(_Server(), ["0.9", "0.9", "0.1", "0.1"], arrivals, bound=0.5, allowed=allowed)
    )
    assert found.stopped is stopped
    assert sum(latency is None for latency in found.latencies) == (3 if stopped else 0)


def test_an_answer_that_never_comes_is_late(virtually):
    """A server that has stopped answering ends the loop at the bound instead of holding it for ever."""
    found = virtually(lambda _: open_loop(_Server(), ["1e9"], [1.0], bound=0.5))
    assert found.stopped
    assert found.latencies == [None]


def test_an_error_is_late(virtually):
    """A request that is refused cannot hold the bound."""
    assert virtually(lambda _: open_loop(_Server(), ["broken"], [1.0], bound=0.5)).stopped
