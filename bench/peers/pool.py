"""Those who still take part: a peer that fails is taken out and named, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self, TypeVar

from emberline.bench.harness.lineup import LeftOut
from emberline.bench.harness.variants import Variant, Worker
from emberline.engine.errors import BenchError

T = TypeVar("T")
OWN: Final = "emberline"


class Field:
    """Workers that run.

    Attributes:
        workers: in the order in which they were started.
        left_out: who had to be taken out, with the reason.
    """

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.left_out: list[LeftOut] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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

    def dismiss(self, worker: Worker) -> None:
        """End a worker that has done its part, so that it no longer holds memory."""
        self.workers.remove(worker)
        worker.close()

    def named(self, name: str) -> Worker | None:
        """The worker of a variant, if it still takes part."""
        return next((worker for worker in self.workers if worker.variant.name == name), None)

    def on(self, path: str) -> Iterator[Worker]:
        """The workers that are asked in process or over a socket."""
        return (worker for worker in tuple(self.workers) if worker.variant.path == path)
