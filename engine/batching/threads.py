"""Threads for work that would block the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class WorkerThreads:
    """Runs functions off the event loop, unless they are so small that the hand-over would take as long."""

    def __init__(self, count: int, name: str) -> None:
        """Create a pool; its threads start when they are first needed.

        Args:
            count: maximum number of threads.
            name: prefix of the threads' names.
        """
        self._pool = ThreadPoolExecutor(count, name)

    async def run(self, small: bool, function: Callable[..., T], *arguments: object) -> T:
        """Call a function: at once if the work is small, on a thread otherwise."""
        if small:
            return function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def close(self) -> None:
        """Wait for the running functions and stop the threads."""
        self._pool.shutdown()
