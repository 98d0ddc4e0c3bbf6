"""Workers that still take part: a peer that fails is taken out and named, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

from emberline.bench.harness.driver import Worker
from emberline.bench.harness.variants import OWN, LeftOut, Variant
from emberline.engine.errors import BenchError

T = TypeVar("T")


class WorkerPool(AbstractContextManager["WorkerPool"]):
    """Workers that run.

    Attributes:
        workers: in the order in which they were started.
        left_out: who had to be taken out, with the reason.
    """

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.left_out: list[LeftOut] = []
        self._stack = ExitStack()

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, variant: Variant) -> None:
        """Start a variant, and wait until it is ready: an engine may measure the machine when it starts.

        Raises:
            BenchError: it is Emberline's own, and cannot be started.
        """
        worker = self._stack.enter_context(Worker(variant))
        self.workers.append(worker)
        self.attempt(worker, Worker.wait_until_ready)

    def attempt(self, worker: Worker, do: Callable[[Worker], T]) -> T | None:
        """Do something with a worker that still takes part.

        Returns:
            What it gave; None if the worker has been taken out, now or before.

        Raises:
            BenchError: it failed and is Emberline's own.
        """
        if worker not in self.workers:
            return None
        try:
            return do(worker)
        except BenchError as error:
            if worker.variant.engine == OWN:
                raise
            self.take_out(worker, str(error))
            return None

    def take_out(self, worker: Worker, reason: str) -> None:
        """End a worker's part."""
        self.workers.remove(worker)
        self.left_out.append(LeftOut(worker.variant.name, reason))
        worker.close()

    def on(self, path: str) -> Iterator[Worker]:
        """The workers that are asked in process or over a socket."""
        return (worker for worker in tuple(self.workers) if worker.variant.path == path)
