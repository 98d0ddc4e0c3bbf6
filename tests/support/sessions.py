"""A session that encodes when a test says so, and batchers on top of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import numpy as np

from emberline.engine.batching.batcher import Batcher
from emberline.engine.batching.cost_model import CostModel
from emberline.engine.batching.planner import Limits
from emberline.engine.batching.queue import RequestQueue
from emberline.engine.batching.vector_cache import VectorCache
from emberline.engine.metrics import Metrics
from emberline.engine.records import Encoding, Floats, Integers
from emberline.engine.runtime.session import Session

WIDTH = 2
#: Texts with this number make the session fail.
POISON = 13
#: A call costs as much as four tokens.
COSTS = CostModel(4.0, 1.0, 0.0)
LIMITS = Limits(texts=4, tokens=64)


class Begun(asyncio.Queue[list[int]]):
    """The batches that have begun; who waits for one in vain fails instead of waiting for ever."""

    async def get(self) -> list[int]:
        """The numbers of the next batch."""
        async with asyncio.timeout(30):
            return await super().get()


class FakeSession:
    """Gives each text its number and its length as its vector; stops before each batch until it is let go on."""

    device = "fake"

    def __init__(self) -> None:
        self.begun = Begun()
        self.gate = threading.Semaphore(0)
        self._loop = asyncio.get_running_loop()

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Encode a batch."""
        self._loop.call_soon_threadsafe(self.begun.put_nowait, ids[:, 0].tolist())
        assert self.gate.acquire(timeout=60), "the test forgot to let it go on"
        if POISON in ids[:, 0]:
            raise RuntimeError("out of luck")
        return self.vectors(ids, mask)

    @staticmethod
    def vectors(ids: Integers, mask: Integers) -> Floats:
        """The vectors (B, 2) of a batch."""
        return np.stack([ids[:, 0], mask.sum(axis=1)], axis=1).astype(np.float32)

    def open(self) -> None:
        """Let all batches go on."""
        self.gate.release(1000)


def text(number: int, length: int = 10) -> Encoding:
    """A text, all of whose tokens are its number."""
    return Encoding(np.full(length, number, np.int64), truncated=False)


def make_batcher(
    session: Session,
    queue: RequestQueue | None = None,
    limits: Limits = LIMITS,
    costs: CostModel = COSTS,
    cache: VectorCache | None = None,
    metrics: Metrics | None = None,
    workers: int = 1,
    latency_sessions: Sequence[Session] = (),
    cores: int = 1,
) -> Batcher:
    """A batcher of the given parts, and of plain ones in place of the others."""
    return Batcher(
        session,
        RequestQueue(10_000, seconds_per_token=0.001) if queue is None else queue,
        limits,
        costs,
        VectorCache(0) if cache is None else cache,
        metrics or Metrics(),
        hidden=WIDTH,
        workers=workers,
        latency_sessions=latency_sessions,
        cores=cores,
    )
