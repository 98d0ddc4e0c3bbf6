"""A stream of requests: several are processed at the same time, and answered in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from emberline.engine.errors import Overloaded

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Stream(Generic[Request, Answer]):
    """One stream. Its callables read, answer and write."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Request | None]],
        write: Callable[[Answer], Awaitable[None]],
        answer: Callable[[Request], Awaitable[Answer]],
        reject: Callable[[Request, Exception], Answer],
        most: int,
    ) -> None:
        """Set up a stream.

        Args:
            read: returns the next request; None after the last.
            write: sends an answer.
            answer: answers a request, or raises an error.
            reject: makes an answer from a request's error.
            most: maximum number of requests in flight. No more are read until the oldest answer has been sent, and the
                transport's flow control holds the sender back.
        """
        self._read = read
        self._write = write
        self._answer = answer
        self._reject = reject
        self._tasks: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue(most)
        self._in_flight = 0
        self._ended = asyncio.Event()  # set, and replaced, when a request has ended

    async def run(self, ending: asyncio.Event) -> None:
        """Answer requests until the sender ends or the event is set. Every request read by then is answered."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_all(group, ending))
            while task := await self._tasks.get():
                await self._write(await task)

    async def _read_all(self, group: asyncio.TaskGroup, ending: asyncio.Event) -> None:
        end = asyncio.create_task(ending.wait())
        try:
            while (request := await self._next(end)) is not None:
                await self._tasks.put(group.create_task(self._process(request)))
        finally:
            end.cancel()
        await self._tasks.put(None)

    async def _next(self, end: asyncio.Task[bool]) -> Request | None:
        read = asyncio.ensure_future(self._read())
        try:
            await asyncio.wait({read, end}, return_when=asyncio.FIRST_COMPLETED)
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
