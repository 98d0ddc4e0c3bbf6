"""A stream's requests: several are worked on at a time, and answered in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from emberline.engine.errors import Overloaded

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Stream(Generic[Request, Answer]):
    """One stream. What it reads, writes and works with is its maker's."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Request | None]],
        write: Callable[[Answer], Awaitable[None]],
        work: Callable[[Request], Awaitable[Answer]],
        refuse: Callable[[Request, Exception], Answer],
        most: int,
    ) -> None:
        """Set up a stream.

        Args:
            read: gives the next request; None after the last.
            write: takes an answer.
            work: answers a request, or raises what is wrong with it.
            refuse: makes an answer of what was raised.
            most: requests worked on at a time. No more are read while so many wait for their answers to be taken, and
                the transport's flow control holds the sender back.
        """
        self._read = read
        self._write = write
        self._work = work
        self._refuse = refuse
        self._line: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue(most)
        self._at_work = 0
        self._done = asyncio.Event()  # set, and replaced, when a request's work has ended

    async def run(self, ending: asyncio.Event) -> None:
        """Answer what comes, until the sender ends or the event is set; what was read by then is answered."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take(group, ending))
            while task := await self._line.get():
                await self._write(await task)

    async def _take(self, group: asyncio.TaskGroup, ending: asyncio.Event) -> None:
        end = asyncio.create_task(ending.wait())
        try:
            while (request := await self._next(end)) is not None:
                await self._line.put(group.create_task(self._answer(request)))
        finally:
            end.cancel()
        await self._line.put(None)

    async def _next(self, end: asyncio.Task[bool]) -> Request | None:
        read = asyncio.ensure_future(self._read())
        try:
            await asyncio.wait({read, end}, return_when=asyncio.FIRST_COMPLETED)
            return read.result() if read.done() else None
        finally:
            read.cancel()

    async def _answer(self, request: Request) -> Answer:
        while True:
            try:
                return await self._counted(request)
            except Overloaded as error:
                # The stream's own other requests may be what fills the line: then it gives way to itself.
                if not self._at_work:
                    return self._refuse(request, error)
                await self._done.wait()
            except Exception as error:  # whatever it is, it is this request's and not the stream's
                return self._refuse(request, error)

    async def _counted(self, request: Request) -> Answer:
        self._at_work += 1
        try:
            return await self._work(request)
        finally:
            self._at_work -= 1
            self._done.set()
            self._done = asyncio.Event()
