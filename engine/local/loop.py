"""The event loop of an engine, on a thread of its own, which other threads call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from emberline.engine.errors import ClientClosed

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for other threads.

    The thread is a daemon: a program that forgets to close it ends all the same. All acknowledged changes are on the
    disk by then.
    """

    def __init__(self, name: str) -> None:
        """Start the thread.

        Args:
            name: names it in errors.
        """
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="emberline", daemon=True)
        self._thread.start()
        self._process = os.getpid()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine; returns its result to come.

        Raises:
            ClientClosed: the thread has ended, also because this process was forked off the one that has it.
        """
        if self._loop.is_closed() or self._process != os.getpid():
            coroutine.close()
            raise ClientClosed(self._name)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result; an interrupted wait cancels it."""
        future = self.submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Stop the thread."""
        if not self._loop.is_closed() and self._process == os.getpid():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
