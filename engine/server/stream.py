"""A stream of requests: several are processed at the same time, and answered in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from emberline.engine.errors import EmberlineError, Overloaded

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class StreamIdle(EmberlineError):
    """A call had no request for too long; the server ended it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no request came for {seconds:g} s; open a new call when there is more to send")


class Stream(Generic[Request, Answer]):
    """One stream. Its callables read, answer and write."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Request | None]],
        write: Callable[[Answer], Awaitable[None]],
        answer: Callable[[Request], Awaitable[Answer]],
        reject: Callable[[Request, Exception], Answer],
        most: int,
        idle_seconds: float = float("inf"),
    ) -> None:
        """Set up a stream.

        Args:
            read: returns the next request; None after the last.
            write: sends an answer.
            answer: answers a request, or raises an error.
            reject: makes an answer from a request's error.
            most: maximum number of requests in flight. No more are read until the oldest answer has been sent, and the
                transport's flow control holds the sender back.
            idle_seconds: seconds without a request in flight after which the stream ends.
        """
        self._read = read
        self._write = write
        self._answer = answer
        self._reject = reject
        self._tasks: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue(most)
        self._idle_seconds = idle_seconds
        self._in_flight = 0
        self._ended = asyncio.Event()  # set, and replaced, when a request has ended

    async def run(self, ending: asyncio.Event) -> None:
        """Answer requests until the sender ends or the event is set. Every request read by then is answered.

        Raises:
            StreamIdle: no request came for too long.
        """
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read_all(group, ending))
            while task := await self._tasks.get():
                await self._write(await task)
        if await reading:
            raise StreamIdle(self._idle_seconds)

    async def _read_all(self, group: asyncio.TaskGroup, ending: asyncio.Event) -> bool:
        """Read requests and start on each; returns whether the stream ended because it was idle."""
        end = asyncio.create_task(ending.wait())
        idle = False
        try:
            while (request := await self._next(end)) is not None:
                await self._tasks.put(group.create_task(self._process(request)))
        except TimeoutError:
            idle = True
        finally:
            end.cancel()
        await self._tasks.put(None)
        return idle

    async def _next(self, end: asyncio.Task[bool]) -> Request | None:
        """Return the next request; None at the end.

        Raises:
            TimeoutError: none came, and none was in flight, for too long.
        """
        read = asyncio.ensure_future(self._read())
        limit = None if self._idle_seconds == float("inf") else self._idle_seconds
        try:
            done: set[asyncio.Future[Any]] = set()
            while not done:
                done, _ = await asyncio.wait({read, end}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                if not done and not self._in_flight:
                    raise TimeoutError
            return read.result() if read.done() else None
        finally:
            read.cancel()

    async def _process(self, request: Request) -> Answer:
        while True:
            try:
                return await self._counted(request)
            except Overloaded as error:
                # The stream's own earlier requests may fill the queue; then it waits for one of them and tries again.
                if not self._in_flight:
                    return self._reject(request, error)
                await self._ended.wait()
            except Exception as error:  # any error ends this request and not the stream
                return self._reject(request, error)

    async def _counted(self, request: Request) -> Answer:
        self._in_flight += 1
        try:
            return await self._answer(request)
        finally:
            self._in_flight -= 1
            self._ended.set()
            self._ended = asyncio.Event()
