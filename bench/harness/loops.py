"""The measuring loops: how requests are put to a backend and how their latencies are counted.

Every variant of a comparison is driven by these same loops, inside the process that holds it. They need the standard
library alone, so a peer in an environment of its own is measured by the same code. Times are seconds on the event
loop's clock (`time.monotonic`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Backend(Protocol):
    """What is measured: something that turns texts into vectors.

    The vectors are arrays (B, H) of little-endian float32; the loops look into them no further.
    """

    async def encode(self, texts: Sequence[str]) -> Any:
        """Encode one request on an otherwise idle machine."""

    async def serve(self, text: str) -> Any:
        """Encode one request among many that are under way at once."""

    async def bulk(self, texts: Sequence[str], order: str) -> Any:
        """Encode all N texts as fast as the backend can: (N, H), in the order of `texts`.

        `order` ``sorted`` lets the backend choose the order, ``arrival`` keeps the texts' own; ``sorted/8`` also says
        how many texts a batch shall hold, to a backend whose batches are its caller's choice.
        """

    async def dissect(self, text: str) -> dict[str, float]:
        """Encode one text; the seconds that each part took. Of those that know where a request's time goes."""

    async def ping(self) -> None:
        """Make a call that asks for no work. Of those that are asked over a socket."""


async def _timed(call: Awaitable[T]) -> tuple[T, float]:
    clock = asyncio.get_running_loop().time
    start = clock()
    return await call, clock() - start


async def closed_loop(backend: Backend, requests: Sequence[Sequence[str]]) -> list[float]:
    """The latencies of requests, each sent when the one before has been answered."""
    return [(await _timed(backend.encode(request)))[1] for request in requests]


async def dissecting_loop(backend: Backend, texts: Sequence[str]) -> list[dict[str, float]]:
    """Send requests of one text one after the other, and take each one's time apart.

    Returns:
        Of each request the parts that the backend names, ``whole``, the time that its caller waited, and ``outside``,
        what is left of that: the way there and back.
    """
    found = []
    for text in texts:
        parts, whole = await _timed(backend.dissect(text))
        found.append({**parts, "outside": whole - sum(parts.values()), "whole": whole})
    return found


async def ping_loop(backend: Backend, count: int) -> list[float]:
    """The latencies of calls that ask for no work, one after the other: what the way there and back costs by itself."""
    return [(await _timed(backend.ping()))[1] for _ in range(count)]


async def bulk_loop(backend: Backend, texts: Sequence[str], order: str) -> float:
    """The time that all texts take, given at once."""
    return (await _timed(backend.bulk(texts, order)))[1]


async def saturating_loop(
    backend: Backend, texts: Sequence[str], callers: int, seconds: float
) -> tuple[list[float], float]:
    """Keep `callers` requests of one text under way.

    The window closes after `seconds`, or later if fewer than `callers` requests have been answered by then. Requests
    still under way at its end are waited for but not counted.

    Returns:
        The latencies of those answered within the window, and the window's length.
    """
    clock = asyncio.get_running_loop().time
    start = clock()
    latencies: list[float] = []
    sent = 0
    window: float | None = None

    async def caller() -> None:
        nonlocal sent, window
        while window is None:
            text = texts[sent % len(texts)]
            sent += 1
            begun = clock()
            await backend.serve(text)
            if window is None:
                latencies.append(clock() - begun)
                if clock() - start >= seconds and len(latencies) >= callers:
                    window = clock() - start

    await asyncio.gather(*(caller() for _ in range(callers)))
    return latencies, window if window is not None else clock() - start


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """What came of an open loop."""

    #: from each request's scheduled arrival to its answer, in the order of arrival; None where there was no answer.
    latencies: list[float | None]
    lags: list[float]  # how long after its scheduled arrival each request that was sent left the generator.
    errors: dict[str, int]  # how many requests were answered by an error, by the error's name.
    stopped: bool  # whether the loop ended early because the share of late answers was already above what is allowed.


async def open_loop(
    backend: Backend,
    texts: Sequence[str],
    arrivals: Sequence[float],
    *,
    bound: float | None = None,
    allowed: float = 0.0,
) -> OpenLoop:
    """Send requests of one text at their scheduled times, whether or not earlier ones have been answered.

    A latency counts from the scheduled arrival. When the backend stalls, or the generator itself is held up, the wait
    is part of every latency that it touches: nothing is left out because it could not be sent ("coordinated
    omission", Tene 2013).

    Args:
        backend: answers the requests.
        texts: the requests' texts, taken in turn.
        arrivals: when each request arrives, from the start of the loop, ascending.
        bound: a latency above which an answer is late; None: none is.
        allowed: the share of all requests that may be late; the loop stops as soon as there are more.
    """
    loop = asyncio.get_running_loop()
    clock = loop.time
    start = clock()
    latencies: list[float | None] = [None] * len(arrivals)
    lags: list[float] = []
    errors: dict[str, int] = {}
    late: set[int] = set()
    waiting: set[asyncio.Task[None]] = set()
    hopeless = asyncio.Event()

    def note_late(index: int) -> None:
        late.add(index)
        if len(late) > allowed * len(arrivals):
            hopeless.set()

    async def send(index: int, scheduled: float) -> None:
        # An answer that is overdue is late already, however long it still takes.
        overdue = loop.call_at(scheduled + bound, note_late, index) if bound is not None else None
        try:
            await backend.serve(texts[index % len(texts)])
        except Exception as error:  # whatever the backend answers, the other requests go on
            errors[type(error).__name__] = errors.get(type(error).__name__, 0) + 1
            if bound is not None:
                note_late(index)
        else:
            latencies[index] = clock() - scheduled
            if bound is not None and clock() - scheduled > bound:
                note_late(index)
        finally:
            if overdue is not None:
                overdue.cancel()

    async def generate() -> None:
        for index, arrival in enumerate(arrivals):
            scheduled = start + arrival
            await asyncio.sleep(max(0.0, scheduled - clock()))
            lags.append(clock() - scheduled)
            task = asyncio.create_task(send(index, scheduled))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        while waiting:
            await asyncio.wait(waiting)

    generator = asyncio.create_task(generate())
    verdict = asyncio.create_task(hopeless.wait())
    await asyncio.wait({generator, verdict}, return_when=asyncio.FIRST_COMPLETED)
    stopped = hopeless.is_set()
    for task in (generator, verdict, *waiting):
        task.cancel()
    outcomes = await asyncio.gather(generator, verdict, *waiting, return_exceptions=True)
    if isinstance(outcomes[0], Exception):
        raise outcomes[0]
    return OpenLoop(latencies, lags, errors, stopped)
